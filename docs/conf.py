"""The documentation as a site: `./ntplab docs`. Sphinx reads this; see CONTRIBUTING.md.

The pages are the Markdown files of this folder as they are on any other viewer of Markdown. What
the site loads is in the site: no font, script or picture of anybody else's.
"""

project = "ntplab"
extensions = ["myst_parser"]
root_doc = "index"
# README.md is what index.md includes; the decks are sources of slides.
exclude_patterns = ["README.md", "slides"]

myst_heading_anchors = 4
nitpicky = True
html_theme = "furo"
html_title = "ntplab"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
