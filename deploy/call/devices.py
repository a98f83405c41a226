"""This machine's microphone and loudspeaker, with the echo of one in the other taken out: LiveKit's own device module.

It needs what the machine plays sound with (PulseAudio, PipeWire or ALSA; Core Audio on macOS), and nothing to install.
"""

from __future__ import annotations

from livekit import rtc
from livekit.rtc.platform_audio import PlatformAudioError


class NoSoundDevice(RuntimeError):
    """There is no microphone or no loudspeaker here."""


class Devices:
    """Publishes the microphone; what the room says is played as it comes. They hear and say, but are not recorded."""

    def __init__(self) -> None:
        try:
            self._audio = rtc.PlatformAudio()
            microphones, speakers = self._audio.recording_devices(), self._audio.playout_devices()
        except PlatformAudioError as error:
            raise NoSoundDevice(f"no sound on this machine: {error}") from error
        if not microphones or not speakers:
            self._audio.close()
            missing = "microphone" if not microphones else "loudspeaker"
            raise NoSoundDevice(f"this machine has no {missing}")
        self.told = f"microphone {microphones[0].name}, loudspeaker {speakers[0].name}"
        self._source: rtc.PlatformAudioSource | None = None

    async def publish(self, room: rtc.Room) -> None:
        """Be heard in this room. Raises `PublishTrackError`."""
        self._source = self._audio.create_audio_source()
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await room.local_participant.publish_track(track, options)

    async def close(self) -> None:
        """Be silent; `publish` begins anew."""
        if self._source:
            self._source.close()
            self._source = None

    def release(self) -> None:
        """Let go of the devices."""
        self._audio.close()
