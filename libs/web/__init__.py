"""HTTP that the services share: problem JSON, API keys, body limit, paging, event streams, serving."""
