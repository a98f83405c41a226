"""Speech providers on loopback that speak the real protocols: the plugins cannot tell the difference.

They speak with eSpeak NG and hear with PocketSphinx, or by a script, so what one says another can be asked to hear.
"""

from tests.servers.speech.ears import Ears, HotelEars, ScriptedEars
from tests.servers.speech.faults import Fault
from tests.servers.speech.server import SpeechServer, running_speech

__all__ = ["Ears", "Fault", "HotelEars", "ScriptedEars", "SpeechServer", "running_speech"]
