"""How Sphinx builds these pages: `sphinx-build -W docs docs/_build`."""

import watlowlib

project = "watlowlib"
release = watlowlib.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
autodoc_member_order = "groupwise"
autodoc_typehints = "description"
napoleon_google_docstring = True
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"watlowlib {release}"
html_static_path = ["static"]
html_css_files = ["pages.css"]
copybutton_prompt_text = "$ "
