"""What a run shows on TensorBoard's pages: tags, histograms, charts, texts, pictures, hparams."""
