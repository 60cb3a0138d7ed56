"""From a run directory to pages that stand alone: report, slides. Seventh stage, after analysis.

    write_report(run)                     report.html, beside what it was made from
    try_report(run)                       the same at the end of a run, which it must not spoil
    write_pdf(page, target)               any of our pages on paper

writing.py       what is written where: read this first
page.py          a run as a page            sweep_page.py   a sweep as one
train_page.py    a run of the train system  clock_views.py  clocks, on any page
story.py, samples.py, beliefs.py, load_data.py   from the evidence, thinned to what can be seen
clock_figures.py, load_figures.py, sweep_figures.py, train_figures.py, topology_figure.py
                 the pictures
plot.py, scales.py, svg.py   drawing        numbers.py, language.py, words_*.py   writing
limits.py        what a run cannot show     again.py        the command to do it again
slides.py        a deck from docs/slides    pdf.py          HTML on paper, by Chromium
rendering.py, templates/     HTML and style; nothing in them is fetched from anywhere
"""

from .language import CODES, language
from .pdf import find_chromium, write_pdf
from .slides import deck_of, slides_html
from .writing import report_name, try_report, write_report

__all__ = [
    "CODES",
    "deck_of",
    "find_chromium",
    "language",
    "report_name",
    "slides_html",
    "try_report",
    "write_pdf",
    "write_report",
]
