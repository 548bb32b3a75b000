"""Products of matrices: dense layers, and 1 x 1 convolutions' weight gradients."""
