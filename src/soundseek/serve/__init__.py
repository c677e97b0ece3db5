"""The web server: a library searched in a browser, and by programs over HTTP. Extra `serve`.

Import from the modules: `app` (`create_app`), `settings` (`Settings`).
"""
