//! How times and bytes of events are written down: microseconds since 1970, and text where it is text.
//! Knows nothing of who writes them where.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

fn micros(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn at(micros: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_micros(micros))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

pub fn serialize<S: Serializer>(at: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
    micros(*at).serialize(to)
}

pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
    u64::deserialize(from).map(at)
}

/// A time that may be missing.
pub mod option {
    use super::*;

    pub fn serialize<S: Serializer>(at: &Option<SystemTime>, to: S) -> Result<S::Ok, S::Error> {
        at.map(micros).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SystemTime>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(at))
    }
}

/// When and how a step ended.
pub mod ended {
    use super::super::Ending;
    use super::*;

    pub fn serialize<S: Serializer>(ended: &Option<(SystemTime, Ending)>, to: S) -> Result<S::Ok, S::Error> {
        ended
            .as_ref()
            .map(|(at, ending)| (micros(*at), ending))
            .serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<(SystemTime, Ending)>, D::Error> {
        Ok(Option::<(u64, Ending)>::deserialize(from)?.map(|(micros, ending)| (at(micros), ending)))
    }
}

/// Bytes that are text almost always.
pub mod text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Bytes { base64: String },
    }

    pub fn serialize<S: Serializer>(data: &[u8], to: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(data) {
            Ok(text) => to.serialize_str(text),
            Err(_) => Written::Bytes {
                base64: BASE64.encode(data),
            }
            .serialize(to),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        match Written::deserialize(from)? {
            Written::Text(text) => Ok(text.into_bytes()),
            Written::Bytes { base64 } => BASE64.decode(base64).map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use lapstrake_llb::Digest;

    use super::super::{Ending, Event, FoundBy, LogChunk, VertexUpdate};
    use super::*;

    #[test]
    fn events_survive() {
        let digest = Digest::of(b"x");
        let time = at(1_700_000_000_123_456);
        let ending = Ending::Cached(FoundBy::Content);
        let vertex = Event::Vertex(VertexUpdate {
            digest,
            name: "RUN \"x\"\n".into(),
            inputs: vec![digest],
            started: Some(time),
            completed: Some((time, ending)),
            result: Some(digest),
        });
        let log = |data: &[u8]| {
            Event::Log(LogChunk {
                vertex: digest,
                stream: 2,
                data: data.to_vec(),
                timestamp: time,
            })
        };
        for event in [vertex, log(b"text\r\n"), log(b"\xff\x00")] {
            let line = serde_json::to_string(&event).unwrap();
            let back: Event = serde_json::from_str(&line).unwrap();
            assert_eq!(format!("{back:?}"), format!("{event:?}"), "{line}");
        }
    }
}
