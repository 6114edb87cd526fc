//! Money: an exact number of pico-dollars (10⁻¹² $).

use serde::{Deserialize, Serialize};

/// An amount in pico-dollars. A cached token of the cheapest models costs 18,750 of them, so nothing is ever rounded.
/// All arithmetic is checked; the JSON form is the decimal text `"12.5"` in dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Money {
    pico: i128,
}

pub const PICO_PER_DOLLAR: i128 = 1_000_000_000_000;

impl Money {
    pub const ZERO: Money = Money { pico: 0 };

    pub const fn from_pico(pico: i128) -> Money {
        Money { pico }
    }

    pub const fn pico(self) -> i128 {
        self.pico
    }

    /// The amount as a database integer; `None` beyond ± $9,223,372.
    pub fn to_i64(self) -> Option<i64> {
        i64::try_from(self.pico).ok()
    }

    pub fn checked_add(self, other: Money) -> Option<Money> {
        self.pico.checked_add(other.pico).map(Money::from_pico)
    }

    pub fn checked_sub(self, other: Money) -> Option<Money> {
        self.pico.checked_sub(other.pico).map(Money::from_pico)
    }

    pub fn checked_mul(self, factor: i128) -> Option<Money> {
        self.pico.checked_mul(factor).map(Money::from_pico)
    }

    /// Reads a decimal number of dollars (`12`, `0.000001`, `-3.5`) with at most twelve places.
    pub fn parse(text: &str) -> Option<Money> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 12 || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        if digits.contains('.') && fraction.is_empty() {
            return None;
        }
        let dollars: i128 = whole.parse().ok()?;
        let padded: i128 = format!("{fraction:0<12}").parse().ok()?;
        let pico = dollars.checked_mul(PICO_PER_DOLLAR)?.checked_add(padded)?;
        Some(Money::from_pico(if negative { -pico } else { pico }))
    }

    /// All digits, no trailing zeros: `12.5`.
    pub fn to_decimal(self) -> String {
        let sign = if self.pico < 0 { "-" } else { "" };
        let whole = self.pico.unsigned_abs() / PICO_PER_DOLLAR.unsigned_abs();
        let fraction = self.pico.unsigned_abs() % PICO_PER_DOLLAR.unsigned_abs();
        if fraction == 0 {
            return format!("{sign}{whole}");
        }
        let digits = format!("{fraction:012}");
        format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl std::fmt::Display for Money {
    /// For people: `$12.50`, and below a cent as many digits as say something: `$0.0031`. Ceilings are printed with
    /// [`Money::to_decimal`] where every digit counts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.pico < 0 { "-" } else { "" };
        let pico = self.pico.unsigned_abs();
        let dollar = PICO_PER_DOLLAR.unsigned_abs();
        // Two digits after the first that is not zero, at least two, at most twelve places.
        let mut places = 2usize;
        let mut unit = dollar / 100;
        while pico != 0 && pico < unit * 10 && places < 12 && (places > 2 || pico < dollar / 10) {
            places += 1;
            unit /= 10;
        }
        let rounded = (pico + unit / 2) / unit;
        let scale = dollar / unit;
        write!(f, "{sign}${}.{:0places$}", rounded / scale, rounded % scale)
    }
}

impl From<Money> for String {
    fn from(money: Money) -> String {
        money.to_decimal()
    }
}

impl TryFrom<String> for Money {
    type Error = String;
    fn try_from(text: String) -> Result<Money, String> {
        Money::parse(&text).ok_or_else(|| format!("`{text}` is not an amount of dollars, such as `12.50`"))
    }
}
