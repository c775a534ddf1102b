//! What entries make of a content, in memory: bytes, and JSON documents changed
//! by patches (RFC 7396, RFC 6902).
//!
//! A document keeps what a patch does not speak of: the order of its keys, its
//! numbers as they are written, and how it is indented. Comments and the blanks
//! within lines are no part of JSON, and are not kept.

use crate::journal::Change;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

/// A content that entries are applied to.
#[derive(Debug, Default)]
pub(super) struct Content {
    bytes: Vec<u8>,
    /// The same as a document, while patches follow each other; `bytes` is then what
    /// it was made from.
    document: Option<Value>,
}

impl Content {
    pub fn new(bytes: Vec<u8>) -> Content {
        Content { bytes, document: None }
    }

    /// Applies one entry. One that cannot be applied changes nothing.
    pub fn apply(&mut self, change: Change, payload: &[u8]) -> Result<(), String> {
        match change {
            Change::Append => {
                self.settle();
                self.bytes.extend_from_slice(payload);
                Ok(())
            }
            Change::Replace => {
                *self = Content::new(payload.to_vec());
                Ok(())
            }
            Change::Merge => {
                let patch = parse(payload, "the patch")?;
                json_patch::merge(self.document()?, &patch);
                Ok(())
            }
            Change::JsonPatch => {
                let patch = parse_patch(payload)?;
                // Undone by the crate, if one of its operations fails.
                json_patch::patch(self.document()?, &patch).map_err(|e| e.to_string())
            }
        }
    }

    /// Takes off what is behind the first `len` bytes.
    pub fn cut(&mut self, len: usize) {
        self.settle();
        self.bytes.truncate(len);
    }

    /// The whole.
    pub fn finish(mut self) -> Vec<u8> {
        self.settle();
        self.bytes
    }

    fn document(&mut self) -> Result<&mut Value, String> {
        let document = match self.document.take() {
            Some(document) => document,
            // No document yet: a merge patch makes an object of it.
            None if self.bytes.trim_ascii().is_empty() => Value::Null,
            None => parse(&self.bytes, "the file")?,
        };
        Ok(self.document.insert(document))
    }

    /// Turns the document into bytes, laid out as those were that it was made from.
    fn settle(&mut self) {
        let Some(document) = self.document.take() else { return };
        let layout = Layout::of(&self.bytes);
        self.bytes = layout.write(&document);
    }
}

/// How a document is laid out.
struct Layout {
    /// What a line within it is indented by; `None`: all is on one line.
    indent: Option<Vec<u8>>,
    ends_with_line: bool,
}

impl Layout {
    fn of(bytes: &[u8]) -> Layout {
        let text = bytes.trim_ascii();
        if text.is_empty() {
            return Layout { indent: Some(b"  ".to_vec()), ends_with_line: true };
        }
        let inner = text.iter().position(|&b| b == b'\n').map(|at| &text[at + 1..]);
        let blank = |b: &&u8| matches!(b, b' ' | b'\t');
        let indent = inner.map(|line| line.iter().take_while(blank).copied().collect());
        Layout { indent, ends_with_line: bytes.ends_with(b"\n") }
    }

    fn write(&self, document: &Value) -> Vec<u8> {
        use serde::Serialize;
        let mut bytes = Vec::new();
        let done = match &self.indent {
            Some(indent) => {
                let formatter = PrettyFormatter::with_indent(indent);
                document.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))
            }
            None => serde_json::to_writer(&mut bytes, document),
        };
        // A value is always a document, and memory always takes it.
        debug_assert!(done.is_ok());
        if self.ends_with_line {
            bytes.push(b'\n');
        }
        bytes
    }
}

fn parse(bytes: &[u8], what: &str) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|e| format!("{what} is not JSON: {e}"))
}

fn parse_patch(bytes: &[u8]) -> Result<json_patch::Patch, String> {
    serde_json::from_slice(bytes).map_err(|e| format!("it is not a JSON patch (RFC 6902): {e}"))
}

/// Why an entry can never be applied, whatever its target holds.
pub(super) fn flaw(change: Change, payload: &[u8]) -> Option<String> {
    match change {
        Change::Append | Change::Replace => None,
        Change::Merge => parse(payload, "the patch").err(),
        Change::JsonPatch => parse_patch(payload).err(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(old: &str, changes: &[(Change, &str)]) -> Result<String, String> {
        let mut content = Content::new(old.into());
        for (change, payload) in changes {
            content.apply(*change, payload.as_bytes())?;
        }
        Ok(String::from_utf8(content.finish()).unwrap())
    }

    /// The examples of RFC 7396, appendix A.
    #[test]
    fn merge_patches_do_what_their_standard_says() {
        for (old, patch, new) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            (r"[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            (r"{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(after(old, &[(Change::Merge, patch)]).as_deref(), Ok(new), "{old} {patch}");
        }
    }

    #[test]
    fn json_patches_are_applied_whole_or_not_at_all() {
        let old = r#"{"list":[1,3],"name":"x"}"#;
        let patch = r#"[{"op":"add","path":"/list/1","value":2},{"op":"remove","path":"/name"}]"#;
        assert_eq!(after(old, &[(Change::JsonPatch, patch)]).unwrap(), r#"{"list":[1,2,3]}"#);
        let mut content = Content::new(old.into());
        let half = r#"[{"op":"remove","path":"/name"},{"op":"test","path":"/list/0","value":9}]"#;
        let why = content.apply(Change::JsonPatch, half.as_bytes()).unwrap_err();
        assert!(why.contains("/1"), "{why}");
        assert_eq!(content.finish(), old.as_bytes());
    }

    #[test]
    fn what_a_patch_does_not_speak_of_stays_as_it_is() {
        let old = "{\n\t\"z\": 1.50,\n\t\"big\": 123456789012345678901234567890,\n\t\"a\": 1e+400\n}\n";
        let new = after(old, &[(Change::Merge, r#"{"n": 0.10}"#)]).unwrap();
        assert_eq!(new, old.replace("1e+400\n", "1e+400,\n\t\"n\": 0.10\n"));
        assert_eq!(after("", &[(Change::Merge, r#"{"a": 1}"#)]).unwrap(), "{\n  \"a\": 1\n}\n");
        assert_eq!(after("{\"b\":1,\"a\":2}\n", &[(Change::Merge, "{}")]).unwrap(), "{\"b\":1,\"a\":2}\n");
    }

    #[test]
    fn entries_of_all_kinds_follow_each_other() {
        let all = [
            (Change::Append, "lost"),
            (Change::Replace, "{}"),
            (Change::Merge, r#"{"a": 1}"#),
            (Change::Append, "\n"),
            (Change::Merge, r#"{"b": 2}"#),
        ];
        assert_eq!(after("old", &all).unwrap(), "{\"a\":1,\"b\":2}\n");
        let why = after("no json", &[(Change::Merge, "{}")]).unwrap_err();
        assert!(why.contains("the file is not JSON"), "{why}");
    }

    #[test]
    fn what_can_never_be_applied_is_known_before() {
        assert!(flaw(Change::Merge, b"{").is_some());
        assert!(flaw(Change::JsonPatch, br#"{"op":"add"}"#).is_some());
        assert!(flaw(Change::JsonPatch, br#"[{"op":"remove","path":"/a"}]"#).is_none());
        assert!(flaw(Change::Append, b"{").is_none());
    }
}
