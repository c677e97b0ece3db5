"""Search over the settings of a recipe: Optuna's studies of runs."""
