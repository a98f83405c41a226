"""A deterministic concierge without a language model: rules name intents and slots, tools do the rest.

Pure, and free of LangChain: the offline chat model and the local OpenAI-compatible server both speak through it.
"""
