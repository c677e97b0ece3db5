"""Sound: decoding any file, resampling, windows over long files, and log-mel front-ends.

Import from the modules: `decode`, `resample`, `windows`, `mel`, `spec`, `frontends`, `quiet`.
"""
