"""Fine-tune image classifiers on Apache MXNet/Gluon from the command line."""
