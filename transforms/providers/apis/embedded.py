"""The embedded teacher speaks the API of the others."""

from transforms.providers.apis.openai_chat import OpenAiChat

API = OpenAiChat()
