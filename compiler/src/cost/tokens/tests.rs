use super::*;
use proptest::prelude::*;

const ENCODINGS: [Encoding; 2] = [Encoding::O200kBase, Encoding::Cl100kBase];

/// Written by the Python package `tiktoken` 0.14.0: prose in four scripts, emoji, JSON, code, base64, and every seam of
/// the two words that do not add up.
#[test]
fn counts_are_those_of_the_reference_encodings() {
    #[derive(serde::Deserialize)]
    struct Case {
        text: String,
        o200k_base: u64,
        cl100k_base: u64,
    }
    let cases: Vec<Case> = serde_json::from_str(include_str!("reference.json")).unwrap();
    assert!(cases.len() >= 40);
    for case in cases {
        assert_eq!(Encoding::O200kBase.count(&case.text), case.o200k_base, "{}", case.text);
        assert_eq!(Encoding::Cl100kBase.count(&case.text), case.cl100k_base, "{}", case.text);
    }
}

#[test]
fn joining_is_not_additive_and_the_rule_knows_it() {
    let (left, right) = (" encyclopedia", "innerText");
    let encoding = Encoding::Cl100kBase;
    let joined = encoding.count(&format!("{left}{right}"));
    assert!(joined > encoding.count(left) + encoding.count(right), "the trap has gone: {joined}");
    assert!(joined <= joined_tokens_max(&[left, right], &encoding));
}

#[test]
fn every_cut_of_the_trap_within_a_sentence_is_bounded() {
    let text = "See the encyclopediainnerText of / it,\n\nand\n/then some  more.\n";
    for encoding in ENCODINGS {
        let whole = encoding.count(text);
        for a in (0..=text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            for b in a..=text.len() {
                let pieces = [&text[..a], &text[a..b], &text[b..]];
                assert!(whole <= joined_tokens_max(&pieces, &encoding), "{pieces:?}");
            }
        }
    }
}

#[test]
fn fenced_pieces_add_up_exactly() {
    let pieces = ["You are an analyst.\n", "Lead: Ann <ann@example.org>\n", "Notes: none\n\n", "Answer."];
    for encoding in ENCODINGS {
        assert_eq!(joined_tokens_max(&pieces, &encoding), encoding.count(&pieces.concat()));
    }
}

#[test]
fn unseen_tokenizers_are_bounded_by_bytes_also_after_normalisation() {
    assert_eq!(ByteBound.count("hello"), 5);
    // One character of three bytes that normalises to eighteen characters.
    let ligature = "\u{fdfa}";
    assert_eq!((ligature.len(), ByteBound.count(ligature)), (3, 33));
}

/// Words, seams and oddities in which tokenizers differ.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(" encyclopedia".to_owned()),
        Just("innerText".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just(" ".to_owned()),
        Just("/".to_owned()),
        Just("'s".to_owned()),
        "[a-zA-Z]{1,12}",
        "[0-9]{1,5}",
        "[ \\t\\n/.,;:{}\"']{1,4}",
        "[äöüßéñ漢字かなعربيे👩‍💻🙂\u{fdfa}]{1,4}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_bound_tokens(text in texts()) {
        for encoding in ENCODINGS {
            prop_assert!(encoding.count(&text) <= text.len() as u64);
            prop_assert!(encoding.count(&text) <= ByteBound.count(&text));
        }
    }

    #[test]
    fn joined_pieces_never_pass_the_bound(pieces in prop::collection::vec(texts(), 1..5)) {
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        for encoding in ENCODINGS {
            prop_assert!(encoding.count(&pieces.concat()) <= joined_tokens_max(&pieces, &encoding), "{:?}", pieces);
        }
    }

    #[test]
    fn fences_add_up(left in texts(), right in texts()) {
        let left = left + "\n";
        if is_fence(&left, &right) {
            for encoding in ENCODINGS {
                let joined = encoding.count(&format!("{left}{right}"));
                prop_assert_eq!(joined, encoding.count(&left) + encoding.count(&right));
            }
        }
    }
}

#[test]
fn a_calibrated_count_lies_between_the_reference_and_the_bytes() {
    let calibrated = Calibrated { milli: 1_750 };
    assert_eq!(calibrated.count("one two three four"), 7);
    assert_eq!(calibrated.count("20261122"), 8, "digits by bytes");
    assert_eq!(calibrated.count("日本"), 6, "other scripts by bytes");
    for text in
        ["Plain English, with a comma or two.", "{\"a\": [1, 2, 3]}", "fn main() {}\n", "naïve façade", "C1q/5n79/2o0QVpD", ""]
    {
        let count = calibrated.count(text);
        assert!(count >= Encoding::O200kBase.count(text) && count <= ByteBound.count(text), "{text}: {count}");
    }
}
