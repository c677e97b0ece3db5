"""Training whatever the system: settings, schedules, parameters, and the steps of a stage."""
