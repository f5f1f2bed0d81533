"""Make the hourly series and the representative periods of this instance.

Step 1 writes ``hourly.csv`` (8,760 hours, every series synthetic and seeded), step 2 writes ``periods.csv`` and
``calendar.csv``. It needs pvlib and tsam 4; the instance itself needs neither::

    python make_series.py            # both steps
    python make_series.py --report   # also print the means and errors that README.md quotes

Clock: one common clock for all series, UTC-6 all year (Central Standard Time). Hour 0 is 00:00 on 1 January of a
365-day year that starts on a Sunday (the 2023 calendar). Loads follow each place's own standard time, mixed compute
traffic follows Texas (it is national); the sun needs no clock.

What is synthetic: everything. Sun position and clear-sky irradiance are computed (pvlib); clouds, wind, temperature and
prices are random processes with a documented shape, calibrated to the annual means in ``SOLAR``, ``WIND``, ``LOADS``
and ``PRICES`` below. No measured weather or price year is reproduced.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pvlib
import tsam

FOLDER = Path(__file__).resolve().parent
SEED = 20260101
HOURS = 8760
DAYS = 365
CLOCK_UTC_OFFSET = -6
DC_AC_RATIO = 1.34
DC_LOSSES = 0.11
AC_AVAILABILITY = 0.98
TURBINE_AVAILABILITY = 0.93
WEATHER_REGION = {
    "west_texas": "texas",
    "milam": "texas",
    "dona_ana": "texas",
    "saline": "midwest",
    "port_washington": "midwest",
    "lordstown": "midwest",
}
#: place -> latitude, longitude, mean temperature C, half the yearly swing C, half the daily swing C, UTC offset
PLACES = {
    "west_texas": (32.5, -99.6, 18.0, 11.0, 7.0, -6),
    "milam": (30.8, -97.0, 20.0, 10.0, 6.0, -6),
    "dona_ana": (31.85, -106.7, 17.5, 10.5, 8.5, -7),
    "saline": (42.15, -83.8, 9.5, 13.0, 5.0, -5),
    "port_washington": (43.4, -87.9, 8.5, 13.0, 4.5, -6),
    "lordstown": (41.15, -80.85, 9.5, 12.5, 5.0, -5),
}
#: series -> place, annual capacity factor per MW ac
SOLAR = {
    "pv_west_texas": ("west_texas", 0.315),
    "pv_milam": ("milam", 0.285),
    "pv_dona_ana": ("dona_ana", 0.335),
    "pv_michigan": ("saline", 0.215),
    "pv_wisconsin": ("port_washington", 0.215),
    "pv_ohio": ("lordstown", 0.210),
}
#: series -> place, annual capacity factor, hour of the daily maximum, daily swing, yearly swing
WIND = {
    "wind_west_texas": ("west_texas", 0.42, 1.0, 0.55, 0.35),
    "wind_michigan": ("saline", 0.35, 23.0, 0.25, 0.60),
    "wind_wisconsin": ("port_washington", 0.34, 23.0, 0.25, 0.60),
}
#: series -> place, peak MW, mean MW, weight of cooling, weight of heating
LOADS = {
    "load_aep_texas": ("west_texas", 6500.0, 4250.0, 1.0, 0.55),
    "load_oncor": ("milam", 31200.0, 18150.0, 1.0, 0.55),
    "load_dte": ("saline", 10700.0, 5880.0, 1.1, 0.25),
    "load_we_energies": ("port_washington", 5800.0, 2940.0, 1.0, 0.30),
    "load_ohio_edison": ("lordstown", 5300.0, 2950.0, 1.0, 0.35),
}
#: series -> load that shapes it, wind and sun that lower it, their weights, mean, yearly maximum (US$/MWh)
PRICES = {
    "price_ercot_north": ("load_oncor", "wind_west_texas", "pv_milam", 0.30, 0.25, 38.0, 2500.0),
    "price_miso_z7": ("load_dte", "wind_michigan", "pv_michigan", 0.15, 0.10, 36.0, 450.0),
    "price_miso_z2": ("load_we_energies", "wind_wisconsin", "pv_wisconsin", 0.20, 0.10, 34.0, 450.0),
    "price_pjm_atsi": ("load_ohio_edison", "wind_michigan", "pv_ohio", 0.08, 0.10, 40.0, 650.0),
}
ERCOT_WEST_DISCOUNT = 2.0
ERCOT_WEST_CONGESTION = 9.0
PUE_PLACES = {f"pue_{place}": place for place in PLACES}
#: how much an error of a campus's own load counts against one of sun, wind, price or local load
DEMAND_WEIGHT = 6.0
#: resolution -> typical days, extremes kept on purpose
RESOLUTIONS = {"coarse": (4, ("peak_residual",)), "standard": (8, ("peak_residual", "low_renewables"))}


def main() -> None:
    hourly = make_hourly()
    hourly.to_csv(FOLDER / "hourly.csv", index_label="hour", lineterminator="\n")
    stored = pd.read_csv(FOLDER / "hourly.csv", index_col="hour")
    periods, calendar = make_periods(stored)
    periods.to_csv(FOLDER / "periods.csv", index=False, lineterminator="\n")
    calendar.to_csv(FOLDER / "calendar.csv", index=False, lineterminator="\n")
    if "--report" in sys.argv[1:]:
        print(report(stored, periods))


# --- step 1: hourly series -------------------------------------------------------------------------------------------


def make_hourly() -> pd.DataFrame:
    """All series, rounded so that the file stays small: shares to 4 decimals, prices to cents, loads to whole MW."""
    random = np.random.default_rng(SEED)
    clouds = regional_days(random, persistence=0.45)
    warmth = regional_days(random, persistence=0.75)
    storms = {region: autoregressive(random, HOURS, 0.985) for region in ("texas", "midwest")}
    temperature = {place: temperatures(place, warmth[place], random) for place in PLACES}
    sun = {
        name: solar(place, target, clouds[place], temperature[place], random) for name, (place, target) in SOLAR.items()
    }
    wind = {name: wind_output(spec, storms[WEATHER_REGION[spec[0]]], random) for name, spec in WIND.items()}
    load = {name: local_load(spec, temperature[spec[0]], random) for name, spec in LOADS.items()}
    price = prices(load, wind, sun, random)
    use = utilisation(random)
    pue = {name: power_usage_effectiveness(temperature[place]) for name, place in PUE_PLACES.items()}
    shares = pd.DataFrame({**sun, **wind, **use, **pue}).round(4)
    return pd.concat([shares, pd.DataFrame(load).round(0), pd.DataFrame(price).round(2)], axis=1)


def autoregressive(random: np.random.Generator, length: int, persistence: float) -> np.ndarray:
    """Gaussian AR(1) of unit variance."""
    shocks = random.standard_normal(length) * np.sqrt(1 - persistence**2)
    values = np.empty(length)
    values[0] = shocks[0] / np.sqrt(1 - persistence**2)
    for step in range(1, length):
        values[step] = persistence * values[step - 1] + shocks[step]
    return values


def regional_days(random: np.random.Generator, persistence: float) -> dict[str, np.ndarray]:
    """One daily Gaussian factor per place: 0.8 of it shared in its weather region, 0.6 its own."""
    shared = {region: autoregressive(random, DAYS, persistence) for region in ("texas", "midwest")}
    return {
        place: 0.8 * shared[region] + 0.6 * autoregressive(random, DAYS, persistence)
        for place, region in WEATHER_REGION.items()
    }


def day_of_year() -> np.ndarray:
    return np.arange(HOURS) // 24 + 1


def local_hour(place: str) -> np.ndarray:
    """Middle of the hour in the place's standard time."""
    return (np.arange(HOURS) + PLACES[place][5] - CLOCK_UTC_OFFSET + 0.5) % 24


def temperatures(place: str, warmth: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Season (warmest 24 July) + day (warmest 15:00) + a persistent daily anomaly of 4 C standard deviation."""
    _, _, mean, season, day, _ = PLACES[place]
    yearly = season * np.cos(2 * np.pi * (day_of_year() - 205) / DAYS)
    daily = day * np.cos(2 * np.pi * (local_hour(place) - 15) / 24)
    anomaly = np.interp(np.arange(HOURS) / 24, np.arange(DAYS) + 0.5, 4.0 * warmth)
    return mean + yearly + daily + anomaly + 0.5 * random.standard_normal(HOURS)


def solar(
    place: str, target: float, clouds: np.ndarray, temperature: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Single-axis tracking plant, DC/AC 1.34, clipped at its AC rating; clouds calibrated to the capacity factor."""
    flicker = 0.12 * random.standard_normal(HOURS)
    daily = np.repeat(clouds, 24)
    clear = clear_sky(place)

    def plant(brightness: float) -> np.ndarray:
        index = np.clip(1 / (1 + np.exp(-(brightness + 1.3 * daily))) + flicker, 0.08, 1.0)
        return tracked_output(clear, index, temperature)

    return calibrate(plant, target, -4.0, 6.0)


def clear_sky(place: str) -> pd.DataFrame:
    """Sun, clear-sky irradiance and tracker angles at the middle of every hour (pvlib, Ineichen, Linke 2.5)."""
    latitude, longitude, *_ = PLACES[place]
    start = pd.Timestamp("2023-01-01 00:30", tz="UTC") - pd.Timedelta(hours=CLOCK_UTC_OFFSET)
    times = pd.date_range(start, periods=HOURS, freq="h")
    sun = pvlib.solarposition.get_solarposition(times, latitude, longitude)
    zenith = sun["apparent_zenith"]
    airmass = pvlib.atmosphere.get_relative_airmass(zenith)
    clear = pvlib.clearsky.ineichen(zenith, airmass, 2.5, dni_extra=1364.0)
    angles = pvlib.tracking.singleaxis(zenith, sun["azimuth"], max_angle=55, backtrack=True, gcr=0.35)
    return pd.DataFrame(
        {
            "ghi": clear["ghi"],
            "zenith": sun["zenith"],
            "apparent_zenith": zenith,
            "azimuth": sun["azimuth"],
            "tilt": angles["surface_tilt"].fillna(0),
            "facing": angles["surface_azimuth"].fillna(180),
        }
    )


def tracked_output(clear: pd.DataFrame, index: np.ndarray, temperature: np.ndarray) -> np.ndarray:
    """AC output per MW ac: Erbs split of the clouded irradiance, isotropic sky, PVWatts cell at -0.35 %/C."""
    ghi = clear["ghi"] * index
    split = pvlib.irradiance.erbs(ghi, clear["zenith"], clear.index)
    plane = pvlib.irradiance.get_total_irradiance(
        clear["tilt"], clear["facing"], clear["apparent_zenith"], clear["azimuth"], split["dni"], ghi, split["dhi"]
    )
    irradiance = plane["poa_global"].fillna(0).clip(0, 1300).to_numpy()
    cell = temperature + irradiance * 0.029
    dc = irradiance / 1000 * (1 - 0.0035 * (cell - 25)) * (1 - DC_LOSSES)
    return np.clip(dc * DC_AC_RATIO, 0, 1) * AC_AVAILABILITY


def wind_output(
    spec: tuple[str, float, float, float, float], storms: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Logistic power curve over an AR(1) with a daily (night) and yearly (early spring) swing; net of outages."""
    place, target, peak_hour, daily_swing, yearly_swing = spec
    own = autoregressive(random, HOURS, 0.97)
    daily = daily_swing * np.cos(2 * np.pi * (local_hour(place) - peak_hour) / 24)
    yearly = yearly_swing * np.cos(2 * np.pi * (day_of_year() - 60) / DAYS)
    speed = 0.8 * storms + 0.6 * own + daily + yearly

    def fleet(shift: float) -> np.ndarray:
        return TURBINE_AVAILABILITY / (1 + np.exp(-(shift + 1.9 * speed)))

    return calibrate(fleet, target, -6.0, 6.0)


def calibrate(make: Callable[[float], np.ndarray], target: float, low: float, high: float) -> np.ndarray:
    """Bisect the one parameter of an increasing process until its mean is the target (50 halvings)."""
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if make(middle).mean() < target else (low, middle)
    return make((low + high) / 2)


def local_load(
    spec: tuple[str, float, float, float, float], temperature: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Habits by hour and weekday + cooling above 18 C + heating below 10 C; stretched to the given peak and mean."""
    place, peak, mean, cooling, heating = spec
    hour = local_hour(place)
    weekend = np.isin((np.arange(HOURS) // 24) % 7, (0, 6))
    habits = 0.16 * np.cos(2 * np.pi * (hour - 17) / 24) + 0.06 * np.cos(4 * np.pi * (hour - 19.5) / 24)
    habits = habits - 0.06 * weekend
    felt = pd.Series(temperature).ewm(halflife=6).mean().to_numpy()
    weather = cooling * (np.maximum(felt - 18, 0) / 16) ** 1.3 + heating * np.maximum(10 - felt, 0) / 20
    shape = 1 + habits + weather + 0.01 * autoregressive(random, HOURS, 0.9)
    slope = (peak - mean) / (shape.max() - shape.mean())
    return mean + slope * (shape - shape.mean())


def prices(
    load: dict[str, np.ndarray], wind: dict[str, np.ndarray], sun: dict[str, np.ndarray], random: np.random.Generator
) -> dict[str, np.ndarray]:
    """Hub prices from the rank of the net load; ERCOT West is North less a discount and wind congestion."""
    hubs = {
        name: hub_price(load[demand] / load[demand].max() - by_wind * wind[w] - by_sun * sun[s], mean, top, random)
        for name, (demand, w, s, by_wind, by_sun, mean, top) in PRICES.items()
    }
    blowing = wind["wind_west_texas"]
    noise = 3.0 * autoregressive(random, HOURS, 0.8)
    west = hubs["price_ercot_north"] - ERCOT_WEST_DISCOUNT - ERCOT_WEST_CONGESTION * (blowing - blowing.mean()) + noise
    return {"price_ercot_west": np.clip(west, -20, None), **hubs}


def hub_price(net_load: np.ndarray, mean: float, top: float, random: np.random.Generator) -> np.ndarray:
    """Merit order over the rank r of net load: flat, then steep, then scarcity in the last few hours of the year."""
    rank = net_load.argsort().argsort() / (HOURS - 1)
    scarcity = np.maximum(rank - (1 - 40 / HOURS), 0) / (40 / HOURS)
    energy = 0.45 + 0.65 * rank + 0.9 * rank**12 + 0.07 * autoregressive(random, HOURS, 0.9)
    peak = (top - 3 * mean) * scarcity**3
    return energy * (mean - peak.mean()) / energy.mean() + peak


def utilisation(random: np.random.Generator) -> dict[str, np.ndarray]:
    """IT load per energised IT: training near flat with checkpoints and restarts, mixed follows the working day."""
    training = 0.95 + 0.03 * autoregressive(random, HOURS, 0.95)
    evening = 0.055 * np.cos(2 * np.pi * (local_hour("milam") - 15) / 24)
    mixed = 0.925 + evening + 0.015 * autoregressive(random, HOURS, 0.9)
    return {"use_training": np.clip(training, 0.85, 1.0), "use_mixed": np.clip(mixed, 0.82, 1.0)}


def power_usage_effectiveness(temperature: np.ndarray) -> np.ndarray:
    """Closed-loop cooling: 1.10 in the cold, up to 1.30 in the heat."""
    return 1.10 + 0.20 / (1 + np.exp(-(temperature - 28) / 5))


# --- step 2: representative days -------------------------------------------------------------------------------------


def make_periods(hourly: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Typical days (each a real day of its cluster) and extreme days, and which day of the year each stands for."""
    periods, calendar = [], []
    for resolution, (typical, extremes) in RESOLUTIONS.items():
        kept = {name: extreme_day(hourly, name) for name in extremes}
        days = [day for day in range(DAYS) if day not in kept.values()]
        cluster_of = cluster(hourly, days, typical)
        chosen = representatives(hourly, cluster_of, list(kept.values()))
        stands_for = {day: chosen[label] for day, label in cluster_of.items()} | {day: day for day in kept.values()}
        names = {day: f"day_{day + 1:03d}" for day in set(stands_for.values())}
        names.update({day: f"{name}_{day + 1:03d}" for name, day in kept.items()})
        counts = pd.Series(stands_for).value_counts()
        for day in sorted(names):
            kind = "extreme" if day in kept.values() else "typical"
            periods.append((resolution, names[day], 24 * day, 24, int(counts[day]), kind, "make_series.py"))
        calendar += [(resolution, slot, names[stands_for[slot]], "make_series.py") for slot in range(DAYS)]
    columns = ["resolution", "period", "start_hour", "hours", "occurrences_per_year", "kind", "source"]
    return pd.DataFrame(periods, columns=columns), pd.DataFrame(
        calendar, columns=["resolution", "slot", "period", "source"]
    )


def extreme_day(hourly: pd.DataFrame, name: str) -> int:
    """Day with the highest hour of residual load over all places, or with the least wind and sun."""
    renewables = hourly[[*SOLAR, *WIND]].mean(axis=1)
    if name == "low_renewables":
        return int(daily(renewables).mean(axis=1).argmin())
    demand = (hourly[list(LOADS)] / hourly[list(LOADS)].max()).mean(axis=1)
    return int(daily(demand - 0.3 * renewables).max(axis=1).argmax())


def daily(series: pd.Series) -> np.ndarray:
    return series.to_numpy().reshape(DAYS, 24)


def cluster(hourly: pd.DataFrame, days: list[int], count: int) -> dict[int, int]:
    """Cluster of each given day, hierarchical (tsam); rare prices are capped here, or they would decide it."""
    capped = hourly.clip(upper=hourly.quantile(0.995), axis=1)
    blocks = np.concatenate([capped.to_numpy()[24 * day : 24 * day + 24] for day in days])
    index = pd.date_range("2023-01-01", periods=len(blocks), freq="h")
    result = tsam.aggregate(
        pd.DataFrame(blocks, index=index, columns=hourly.columns),
        n_clusters=count,
        cluster=tsam.ClusterConfig(method="hierarchical", representation="medoid"),
        preserve_column_means=False,
    )
    return dict(zip(days, np.asarray(result.cluster_assignments).tolist(), strict=True))


def representatives(hourly: pd.DataFrame, cluster_of: dict[int, int], kept: list[int]) -> dict[int, int]:
    """Real day that stands for each cluster.

    Candidates are the third of its days nearest to the cluster's mean day. From many starts, the days are chosen one
    cluster after the other until nothing changes, so that the weighted means of all series come closest to the full
    year's.
    """
    means = hourly.to_numpy().reshape(DAYS, 24, -1).mean(axis=1) / hourly.mean().to_numpy()
    profiles = (hourly / hourly.std()).to_numpy().reshape(DAYS, -1)
    members = {
        label: [day for day in cluster_of if cluster_of[day] == label] for label in sorted(set(cluster_of.values()))
    }
    candidates = {
        label: sorted(days, key=lambda day, days=days: float(np.abs(profiles[day] - profiles[days].mean(axis=0)).sum()))
        for label, days in members.items()
    }
    candidates = {label: days[: max(5, len(days) // 3)] for label, days in candidates.items()}
    weight = np.where(hourly.columns.str.startswith(("use_", "pue_")), DEMAND_WEIGHT, 1.0)

    def error(trial: dict[int, int]) -> float:
        year = sum(len(members[label]) * means[day] for label, day in trial.items()) + means[kept].sum(axis=0)
        return float((weight * (year / DAYS - 1) ** 2).sum())

    def improved(trial: dict[int, int]) -> dict[int, int]:
        for label, days in candidates.items():
            trial = trial | {label: min(days, key=lambda day, label=label, trial=trial: error(trial | {label: day}))}
        return trial

    def settled(trial: dict[int, int]) -> dict[int, int]:
        better = improved(trial)
        return trial if better == trial else settled(better)

    nearest = {label: days[0] for label, days in candidates.items()}
    starts = [nearest | {label: day} for label, days in candidates.items() for day in days]
    return min((settled(start) for start in starts), key=error)


# --- figures of the README -------------------------------------------------------------------------------------------


def report(hourly: pd.DataFrame, periods: pd.DataFrame) -> str:
    """Mean, lowest and highest of each series, and the error of the mean that each resolution brings."""
    table = pd.DataFrame({"mean": hourly.mean(), "min": hourly.min(), "max": hourly.max()})
    for resolution, rows in periods.groupby("resolution"):
        starts, counts = rows["start_hour"].tolist(), rows["occurrences_per_year"].tolist()
        total = sum(count * hourly.iloc[start : start + 24].sum() for start, count in zip(starts, counts, strict=True))
        table[f"{resolution} error %"] = 100 * (total / HOURS / hourly.mean() - 1)
    return table.round(4).to_string() + "\n\n" + periods.to_string(index=False)


if __name__ == "__main__":
    main()
