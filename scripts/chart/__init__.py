"""Makes what the chart has of its commented values.yaml: values.schema.json and README.md."""
