"""azureml's earlier place of pipelines."""
