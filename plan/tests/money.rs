//! Money reads and prints exactly.

use pmflow_plan::Money;
use proptest::prelude::*;

#[test]
fn what_is_an_amount_and_what_is_not() {
    for (text, pico) in [
        ("0", 0),
        ("12", 12_000_000_000_000),
        ("12.5", 12_500_000_000_000),
        ("0.000000000001", 1),
        ("-3.5", -3_500_000_000_000),
        ("007", 7_000_000_000_000),
        ("-0", 0),
    ] {
        assert_eq!(Money::parse(text), Some(Money::from_pico(pico)), "{text}");
    }
    for text in ["", "-", ".5", "5.", "1e3", "1,5", "+1", " 1", "1 ", "$1", "0.0000000000001", "--1", "१", "1.2.3"] {
        assert_eq!(Money::parse(text), None, "{text}");
    }
    assert_eq!(Money::parse("999999999999999999999999999999999999999"), None, "beyond 128 bits");
}

#[test]
fn a_person_reads_as_many_digits_as_say_something() {
    for (text, shown) in [
        ("0", "$0.00"),
        ("12.5", "$12.50"),
        ("0.004", "$0.0040"),
        ("0.0031", "$0.0031"),
        ("0.00000001875", "$0.000000019"),
        ("-2.005", "-$2.01"),
        ("1234567.891", "$1234567.89"),
        ("0.10", "$0.10"),
    ] {
        assert_eq!(Money::parse(text).unwrap().to_string(), shown, "{text}");
    }
}

proptest! {
    #[test]
    fn decimal_text_reads_back(pico in any::<i128>().prop_filter("symmetric", |pico| *pico != i128::MIN)) {
        let money = Money::from_pico(pico);
        prop_assert_eq!(Money::parse(&money.to_decimal()), Some(money));
        let json = serde_json::to_string(&money).unwrap();
        prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
    }

    #[test]
    fn reading_never_panics(text in "\\PC*") {
        let _ = Money::parse(&text);
    }

    #[test]
    fn showing_never_panics(pico in any::<i128>()) {
        prop_assert!(Money::from_pico(pico).to_string().contains('$'));
    }
}
