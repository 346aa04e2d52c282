"""What every execution did, as MLflow traces, without costing its caller more than a few microseconds."""
