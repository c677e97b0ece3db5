"""The lab makes models. It needs torch: `pip install 'soundseek[lab]'`."""
