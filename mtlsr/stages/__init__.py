"""The two stages of training as LightningModules."""
