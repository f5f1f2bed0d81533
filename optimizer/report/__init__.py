"""Reports as single HTML files that open without a network: the whole plan, and one community's page."""

from __future__ import annotations

from optimizer.report.community import community_html
from optimizer.report.html import report_html

__all__ = ["community_html", "report_html"]
