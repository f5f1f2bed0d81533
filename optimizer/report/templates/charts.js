// Charts follow the page: on a phone a legend needs a line for each entry, on paper a chart is as wide as the text.
const PAPER = 0.8;
const charts = [...document.querySelectorAll(".plotly-graph-div")];
const draw = (chart, factor, more, change) => {
  const height = factor * chart.clientHeight + more;
  chart.parentElement.style.height = `${height}px`; // plotly gives the height to the frame around a chart
  Plotly.relayout(chart, {height, ...change});
};
addEventListener("load", () => {
  for (const chart of charts) if (chart.clientWidth < 500) draw(chart, 1, 16 * chart.data.length, {});
  dispatchEvent(new Event("resize"));
});
addEventListener("beforeprint", () => charts.forEach(chart => draw(chart, PAPER, 0, {autosize: false, width: 680})));
addEventListener("afterprint", () => charts.forEach(chart => draw(chart, 1 / PAPER, 0, {autosize: true, width: null})));
