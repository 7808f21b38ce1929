"""Discriminators of the adversarial term: images in, logits out; more means more like HR."""
