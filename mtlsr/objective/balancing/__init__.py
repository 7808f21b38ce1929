"""How much each term counts: weights that follow from the terms' losses or from their gradients."""
