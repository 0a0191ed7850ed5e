"""The hot path of `POST /predict`: formats in and out, what is loaded, the predictor."""
