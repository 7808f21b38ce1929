"""Which of several methods is better, pair by pair: from results on the disk to a sentence."""
