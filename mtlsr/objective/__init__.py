"""The objective, one file a term: λ1 smoothness, λ2 realism, λ3 structure, λ4 anchor.

The adversarial term stands beside them by choice.
"""
