"""What shrinking a trained network costs and brings, arm against arm: ``bench/SHRINKING.md``."""
