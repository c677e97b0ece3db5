"""What a training run leaves for people: report.md, report.html, plots, worst queries to hear."""
