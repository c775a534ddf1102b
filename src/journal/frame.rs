//! What a journal of the write queue looks like on disk: a header, then frames.
//! All numbers are little-endian. `dotlock.7` has the same in words.
//!
//! A frame's checksum covers its place in the file, so that a journal which is
//! itself an entry of another is not taken for its frames.

use crate::target::QUEUE_MAGIC;
use crate::token::LockId;
use std::ops::Range;

/// Bytes before the first frame.
pub(crate) const HEADER: usize = 128;
/// Bytes of a frame before its label, and behind its payload.
const HEAD: usize = 48;
const TRAILER: usize = 8;
/// What every frame begins with.
const SYNC: [u8; 4] = *b"\xD1fr\x1B";

/// Longest payload of an entry, in bytes.
pub(crate) const LONGEST: usize = 256 << 20;
/// Longest label of an entry, in bytes.
const LONGEST_LABEL: usize = 255;

/// Where in the header: the boot in which the end of the journal was looked at,
/// how far it has come, and the name.
pub(crate) const BOOT_AT: u64 = 16;
pub(crate) const STAGE_AT: u64 = 24;
pub(crate) const NAME_AT: u64 = 32;
const NAME: usize = 68;

/// How far the entries of a journal have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// They are not in the target, as far as the journal says.
    Pending,
    /// They are; their target has been renamed.
    Applied,
    /// And that is durable.
    Durable,
}

impl Stage {
    pub fn word(self) -> [u8; 8] {
        match self {
            Stage::Pending => [0; 8],
            Stage::Applied => *b"applied\n",
            Stage::Durable => *b"durable\n",
        }
    }

    pub fn of(word: [u8; 8]) -> Stage {
        [Stage::Durable, Stage::Applied].into_iter().find(|s| s.word() == word).unwrap_or(Stage::Pending)
    }
}

/// What a commit is about to do, written down before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// The target, `old`, is about to be replaced by `new`. `None`: there is none.
    Replace { old: Option<LockId>, new: LockId },
    /// The entries are about to be written behind the first `base` bytes of `old`.
    Extend { old: LockId, base: u64 },
}

impl Name {
    pub fn to_bytes(self) -> [u8; NAME] {
        let none = LockId { number: 0, birth: None };
        let (kind, old, new, base) = match self {
            Name::Replace { old: None, new } => (1, none, new, 0),
            Name::Replace { old: Some(old), new } => (2, old, new, 0),
            Name::Extend { old, base } => (3, old, none, base),
        };
        let birth = |id: LockId| id.birth.unwrap_or(0);
        let mut bytes = [0; NAME];
        let fields = [kind, old.number, birth(old), new.number, birth(new), base, 0, 0];
        for (slot, field) in bytes.chunks_exact_mut(8).zip(fields) {
            slot.copy_from_slice(&u64::to_le_bytes(field));
        }
        let sum = crc32c::crc32c(&bytes[..NAME - 4]);
        bytes[NAME - 4..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn of(bytes: &[u8]) -> Option<Name> {
        let (fields, sum) = bytes.split_at(NAME - 4);
        let field = |i: usize| u64_at(fields, i * 8);
        if crc32c::crc32c(fields).to_le_bytes() != sum {
            return None;
        }
        let id = |i| LockId { number: field(i), birth: Some(field(i + 1)).filter(|&b| b != 0) };
        match field(0) {
            1 => Some(Name::Replace { old: None, new: id(3) }),
            2 => Some(Name::Replace { old: Some(id(1)), new: id(3) }),
            3 => Some(Name::Extend { old: id(1), base: field(5) }),
            _ => None,
        }
    }
}

/// What stands before the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub boot: u64,
    pub stage: Stage,
    pub name: Option<Name>,
}

impl Header {
    /// Of a new journal.
    pub fn fresh(boot: u64) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..16].copy_from_slice(QUEUE_MAGIC);
        bytes[16..24].copy_from_slice(&boot.to_le_bytes());
        bytes
    }

    /// `None`: it is none.
    pub fn of(bytes: &[u8]) -> Option<Header> {
        if bytes.len() < HEADER || bytes[..16] != *QUEUE_MAGIC {
            return None;
        }
        let name = NAME_AT as usize;
        Some(Header {
            boot: u64_at(bytes, BOOT_AT as usize),
            stage: Stage::of(array(bytes, STAGE_AT as usize)),
            name: Name::of(&bytes[name..name + NAME]),
        })
    }
}

/// What an entry does to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Its bytes go to the end.
    Append,
    /// Its bytes become the content.
    Replace,
    /// It is a JSON merge patch (RFC 7396).
    Merge,
    /// It is a JSON patch (RFC 6902).
    JsonPatch,
}

impl Change {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Change::Append => "append",
            Change::Replace => "replace",
            Change::Merge => "merge",
            Change::JsonPatch => "json-patch",
        }
    }
}

/// Why an entry is not to be applied any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Open,
    /// Its producer has taken it back.
    Withdrawn,
    /// It cannot be applied; a note behind the frames says why.
    Rejected,
}

impl Fate {
    pub fn byte(self) -> u8 {
        match self {
            Fate::Open => b'.',
            Fate::Withdrawn => b'w',
            Fate::Rejected => b'x',
        }
    }

    pub fn of(byte: u8) -> Fate {
        [Fate::Withdrawn, Fate::Rejected].into_iter().find(|f| f.byte() == byte).unwrap_or(Fate::Open)
    }
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Entry(Change),
    /// The drainer's, behind all entries: why the one at that offset was rejected.
    Note(u64),
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Where it begins.
    pub at: u64,
    /// The only thing of it that changes; no checksum covers it.
    pub fate: Fate,
    pub kind: Kind,
    /// Its producer was told that it is safe as soon as the journal is durable.
    pub durable: bool,
    /// May be written behind the target where that stands.
    pub in_place: bool,
    /// How many entries of the journal come before it.
    pub seq: u64,
    pub pid: u32,
    /// Milliseconds since 1970, by its producer's clock.
    pub time: u64,
    pub boot: u64,
    pub label: String,
    /// Where the payload is in the journal.
    pub payload: Range<usize>,
}

/// What is to become a frame.
pub(crate) struct Draft<'a> {
    pub kind: Kind,
    pub durable: bool,
    pub in_place: bool,
    pub seq: u64,
    pub pid: u32,
    pub time: u64,
    pub boot: u64,
    pub label: &'a str,
    pub payload: &'a [u8],
}

/// Where in a frame its fate is.
pub(crate) const FATE_AT: u64 = 4;

impl Draft<'_> {
    /// Puts the frame behind `bytes`, which will stand at `base` in the journal.
    pub fn write(&self, bytes: &mut Vec<u8>, base: u64) {
        let start = bytes.len();
        let at = base + start as u64;
        let mut end = self.label.len().min(LONGEST_LABEL);
        while !self.label.is_char_boundary(end) {
            end -= 1;
        }
        let label = &self.label.as_bytes()[..end];
        let (kind, about) = match self.kind {
            Kind::Entry(Change::Append) => (1, 0),
            Kind::Entry(Change::Replace) => (2, 0),
            Kind::Entry(Change::Merge) => (3, 0),
            Kind::Entry(Change::JsonPatch) => (4, 0),
            Kind::Note(about) => (5, about),
        };
        let flags = u8::from(self.durable) | u8::from(self.in_place) << 1;
        bytes.extend(SYNC);
        bytes.extend([Fate::Open.byte(), kind, flags, label.len() as u8]);
        bytes.extend((self.payload.len() as u32).to_le_bytes());
        bytes.extend(self.pid.to_le_bytes());
        // A note has no place among the entries, but says which it is about.
        bytes.extend((if about != 0 { about } else { self.seq }).to_le_bytes());
        bytes.extend(self.time.to_le_bytes());
        bytes.extend(self.boot.to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(label);
        bytes.extend(self.payload);
        let sum = checksum(&bytes[start..], at);
        bytes[start + 40..start + 44].copy_from_slice(&sum.to_le_bytes());
        let whole = (bytes.len() - start + TRAILER) as u32;
        bytes.extend(whole.to_le_bytes());
        bytes.extend(sum.to_le_bytes());
    }
}

/// Of a frame that begins with `frame` and stands at `at`: neither its fate nor
/// the checksum itself is covered.
fn checksum(frame: &[u8], at: u64) -> u32 {
    let sum = crc32c::crc32c(&at.to_le_bytes());
    let sum = crc32c::crc32c_append(sum, &frame[..4]);
    let sum = crc32c::crc32c_append(sum, &frame[5..40]);
    crc32c::crc32c_append(sum, &frame[HEAD..])
}

/// The frame that begins at `at` in `bytes`, which stand at `base` in the
/// journal; with where it ends. `None`: there is none, or not a whole one.
pub(crate) fn frame_at(bytes: &[u8], at: usize, base: u64) -> Option<(Frame, usize)> {
    let rest = bytes.get(at..)?;
    if rest.len() < HEAD + TRAILER || rest[..4] != SYNC {
        return None;
    }
    let (label, payload) = (usize::from(rest[7]), u32_at(rest, 8) as usize);
    let body = HEAD + label;
    let end = body.checked_add(payload)?;
    if payload > LONGEST || rest.len() < end + TRAILER {
        return None;
    }
    let place = base + at as u64;
    let sum = u32_at(rest, 40);
    let fits = checksum(&rest[..end], place) == sum
        && u32_at(rest, end + 4) == sum
        && u32_at(rest, end) as usize == end + TRAILER;
    let seq = u64_at(rest, 16);
    let kind = match rest[5] {
        1 => Kind::Entry(Change::Append),
        2 => Kind::Entry(Change::Replace),
        3 => Kind::Entry(Change::Merge),
        4 => Kind::Entry(Change::JsonPatch),
        5 => Kind::Note(seq),
        _ => return None,
    };
    let frame = Frame {
        at: place,
        fate: Fate::of(rest[4]),
        kind,
        durable: rest[6] & 1 != 0,
        in_place: rest[6] & 2 != 0,
        seq,
        pid: u32_at(rest, 12),
        time: u64_at(rest, 24),
        boot: u64_at(rest, 32),
        label: String::from_utf8_lossy(&rest[HEAD..body]).into_owned(),
        payload: at + body..at + end,
    };
    fits.then_some((frame, at + end + TRAILER))
}

/// Length of the frame that ends with `trailer`, if one can.
pub(crate) fn length_before(trailer: &[u8]) -> Option<usize> {
    let length = u32_at(trailer.get(trailer.len().checked_sub(TRAILER)?..)?, 0) as usize;
    (HEAD + TRAILER..=HEAD + TRAILER + LONGEST_LABEL + LONGEST).contains(&length).then_some(length)
}

/// What a whole journal, with its header, holds.
#[derive(Debug)]
pub(crate) struct Scan {
    pub frames: Vec<Frame>,
    /// Where the last good frame ends.
    pub end: usize,
    pub tail: Tail,
}

/// What comes behind the frames that are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing.
    Clean,
    /// So many bytes of a frame that was never written whole.
    Torn(usize),
    /// Something that is not what was written there, as whole frames follow.
    Bad,
}

/// Reads all frames.
pub(crate) fn scan(bytes: &[u8]) -> Scan {
    let mut frames = Vec::new();
    let mut end = HEADER.min(bytes.len());
    while let Some((frame, next)) = frame_at(bytes, end, 0) {
        frames.push(frame);
        end = next;
    }
    let rest = &bytes[end..];
    let follows = |&at: &usize| rest[at] == SYNC[0] && frame_at(bytes, end + at, 0).is_some();
    let tail = match rest.len() {
        0 => Tail::Clean,
        _ if (1..rest.len()).any(|at| follows(&at)) => Tail::Bad,
        n => Tail::Torn(n),
    };
    Scan { frames, end, tail }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;

    fn journal(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Header::fresh(1).to_vec();
        for (seq, payload) in payloads.iter().enumerate() {
            let draft = Draft {
                kind: Kind::Entry(Change::Append),
                durable: seq % 2 == 0,
                in_place: false,
                seq: seq as u64,
                pid: 7,
                time: 1,
                boot: 1,
                label: "tëst",
                payload,
            };
            draft.write(&mut bytes, 0);
        }
        bytes
    }

    #[test]
    fn names_survive_the_trip_and_a_torn_one_is_none() {
        let id = |number, birth| LockId { number, birth };
        for name in [
            Name::Replace { old: None, new: id(3, Some(4)) },
            Name::Replace { old: Some(id(1, None)), new: id(3, Some(u64::MAX)) },
            Name::Extend { old: id(9, Some(8)), base: 1 << 40 },
        ] {
            let mut bytes = name.to_bytes();
            assert_eq!(Name::of(&bytes), Some(name));
            bytes[9] ^= 1;
            assert_eq!(Name::of(&bytes), None);
        }
        assert_eq!(Name::of(&[0; NAME]), None);
    }

    #[test]
    fn a_journal_inside_an_entry_is_not_taken_for_frames() {
        let inner = journal(&[b"x".to_vec()]);
        let outer = journal(std::slice::from_ref(&inner));
        let torn = &outer[..outer.len() - 1];
        assert_eq!(scan(torn).tail, Tail::Torn(torn.len() - HEADER));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_cut_off_is_torn_and_what_is_changed_is_bad(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..6),
            cut in any::<Index>(), flip in any::<Index>(),
        ) {
            let whole = journal(&payloads);
            let all = scan(&whole);
            prop_assert_eq!(all.tail, Tail::Clean);
            prop_assert_eq!(all.frames.len(), payloads.len());
            for (frame, payload) in all.frames.iter().zip(&payloads) {
                prop_assert_eq!(&whole[frame.payload.clone()], payload.as_slice());
            }
            let cut = HEADER + cut.index(whole.len() - HEADER);
            let part = scan(&whole[..cut]);
            prop_assert!(part.end <= cut && part.frames.len() <= payloads.len());
            prop_assert_eq!(part.tail, if part.end == cut { Tail::Clean } else { Tail::Torn(cut - part.end) });

            let mut changed = whole.clone();
            let at = HEADER + flip.index(whole.len() - HEADER);
            let hit = all.frames.iter().rposition(|f| f.at as usize <= at).unwrap();
            changed[at] ^= 0x40;
            let found = scan(&changed);
            // But for the byte that may change.
            if at as u64 != all.frames[hit].at + FATE_AT && !(all.frames[hit].at as usize + 44..all.frames[hit].at as usize + HEAD).contains(&at) {
                prop_assert_eq!(found.frames.len(), hit);
                let last = hit + 1 == payloads.len();
                prop_assert_eq!(found.tail, if last { Tail::Torn(whole.len() - found.end) } else { Tail::Bad });
            }
        }

        #[test]
        fn no_bytes_are_taken_for_a_frame(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let found = scan(&bytes);
            prop_assert!(found.frames.is_empty());
            prop_assert!(Header::of(&bytes).is_none());
        }
    }
}
