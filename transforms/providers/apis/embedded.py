"""The embedded teacher's API: that of OpenAI."""

from transforms.providers.apis.openai_chat import OpenAiChat

API = OpenAiChat()
