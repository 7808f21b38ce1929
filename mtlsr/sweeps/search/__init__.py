"""A search: trainings whose values Optuna chooses from what the earlier ones found out."""
