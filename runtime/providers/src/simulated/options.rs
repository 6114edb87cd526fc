//! What `--simulate` takes.

use std::time::Duration;

/// How the simulated model behaves. Everything follows from the seed and the request, so a run can be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulateOptions {
    pub seed: u64,
    /// Each call takes a time between these two.
    pub latency_min: Duration,
    pub latency_max: Duration,
    /// Shares in millionths of all calls: refused with a rate limit (not billed) …
    pub rate_limit: u32,
    /// … the connection broken, the bill unknown …
    pub transport: u32,
    /// … timed out, the bill unknown; said at once, not after the time …
    pub timeout: u32,
    /// … declined by the model, billed …
    pub refusal: u32,
    /// … answered with what does not fit the answer's type, billed …
    pub invalid: u32,
    /// … cut off in the middle, billed.
    pub truncated: u32,
    pub output: SimulatedOutput,
}

/// How much the simulated model writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SimulatedOutput {
    /// The shortest of a dozen answers that fit.
    Min,
    #[default]
    Typical,
    /// Every token that the cap allows is used and billed; what the answer leaves over counts as thinking.
    Max,
}

impl Default for SimulateOptions {
    fn default() -> SimulateOptions {
        SimulateOptions {
            seed: 0,
            latency_min: Duration::ZERO,
            latency_max: Duration::ZERO,
            rate_limit: 0,
            transport: 0,
            timeout: 0,
            refusal: 0,
            invalid: 0,
            truncated: 0,
            output: SimulatedOutput::Typical,
        }
    }
}

const MILLION: u32 = 1_000_000;
const NAMES: [&str; 9] = ["latency", "rate_limit", "transport", "timeout", "refusal", "invalid", "truncated", "seed", "output"];

impl SimulateOptions {
    /// Reads `latency=50ms,rate_limit=5%,seed=7`; the empty text is the default. The error names the option, what is
    /// wrong with it and what it takes.
    pub fn parse(text: &str) -> Result<SimulateOptions, String> {
        let mut options = SimulateOptions::default();
        let mut seen: Vec<&str> = Vec::new();
        for piece in text.split(',').map(str::trim).filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').ok_or_else(|| format!("`{piece}` has no value: write `{piece}=…`"))?;
            let (name, value) = (name.trim(), value.trim());
            if seen.contains(&name) {
                return Err(format!("`{name}` is given twice"));
            }
            seen.push(name);
            options.set(name, value)?;
        }
        let shares =
            [options.rate_limit, options.transport, options.timeout, options.refusal, options.invalid, options.truncated];
        if shares.iter().map(|share| u64::from(*share)).sum::<u64>() > u64::from(MILLION) {
            return Err("the shares of failing calls add up to more than 100%".to_owned());
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "latency" => (self.latency_min, self.latency_max) = latency(value)?,
            "rate_limit" => self.rate_limit = share(name, value)?,
            "transport" => self.transport = share(name, value)?,
            "timeout" => self.timeout = share(name, value)?,
            "refusal" => self.refusal = share(name, value)?,
            "invalid" => self.invalid = share(name, value)?,
            "truncated" => self.truncated = share(name, value)?,
            "seed" => {
                self.seed = value.parse().map_err(|_| format!("`seed={value}`: a seed is a whole number, such as `seed=7`"))?
            }
            "output" => {
                self.output = match value {
                    "min" => SimulatedOutput::Min,
                    "typical" => SimulatedOutput::Typical,
                    "max" => SimulatedOutput::Max,
                    _ => return Err(format!("`output={value}`: it is one of `min`, `typical`, `max`")),
                }
            }
            _ => return Err(unknown(name)),
        }
        Ok(())
    }
}

/// `5%`, `0.5%`
fn share(name: &str, value: &str) -> Result<u32, String> {
    let wrong = || format!("`{name}={value}`: a share is a percentage from 0% to 100%, such as `{name}=5%`");
    let percent: f64 = value.strip_suffix('%').and_then(|number| number.trim().parse().ok()).ok_or_else(wrong)?;
    if !(0.0..=100.0).contains(&percent) {
        return Err(wrong());
    }
    Ok((percent * f64::from(MILLION) / 100.0).round() as u32)
}

/// `50ms`, `1.5s`, `50ms..2s`
fn latency(value: &str) -> Result<(Duration, Duration), String> {
    let wrong = || format!("`latency={value}`: a latency is a time such as `50ms` or `1.5s`, or a range such as `50ms..2s`");
    let (least, most) = value.split_once("..").unwrap_or((value, value));
    let (least, most) = (time(least).ok_or_else(wrong)?, time(most).ok_or_else(wrong)?);
    if least > most {
        return Err(format!("`latency={value}`: the range runs backwards"));
    }
    Ok((least, most))
}

fn time(text: &str) -> Option<Duration> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3_600.0)];
    let (number, scale) = units.iter().find_map(|(unit, scale)| Some((text.trim().strip_suffix(unit)?, scale)))?;
    let number: f64 = number.trim().parse().ok()?;
    let seconds = number * scale;
    (0.0..=86_400.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

fn unknown(name: &str) -> String {
    let nearest = NAMES
        .iter()
        .map(|known| (distance(name, known), known))
        .min()
        .filter(|(distance, known)| *distance <= 1 + known.len() / 3);
    match nearest {
        Some((_, known)) => format!("`{name}` is no option of the simulated model; did you mean `{known}`?"),
        None => format!(
            "`{name}` is no option of the simulated model; there are {}",
            NAMES.map(|known| format!("`{known}`")).join(", ")
        ),
    }
}

/// The fewest insertions, deletions and replacements between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, x) in a.chars().take(64).enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let next = (diagonal + usize::from(x != *y)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, next);
            left = next;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let all = SimulateOptions::parse(
            "latency=50ms, rate_limit=5%,seed=7,invalid=0.5%,refusal=1%,timeout=2%,transport=3%,truncated=4%,output=max",
        )
        .unwrap();
        assert_eq!((all.latency_min, all.latency_max), (Duration::from_millis(50), Duration::from_millis(50)));
        assert_eq!(
            (all.rate_limit, all.invalid, all.refusal, all.timeout, all.transport, all.truncated),
            (50_000, 5_000, 10_000, 20_000, 30_000, 40_000)
        );
        assert_eq!((all.seed, all.output), (7, SimulatedOutput::Max));
        assert_eq!(SimulateOptions::parse("").unwrap(), SimulateOptions::default());
        assert_eq!(SimulateOptions::parse("latency=10ms..1.5s").unwrap().latency_max, Duration::from_millis(1_500));
    }

    #[test]
    fn mistakes_are_explained() {
        let cases = [
            ("latencey=5ms", "`latencey` is no option of the simulated model; did you mean `latency`?"),
            ("ratelimit=5%", "`ratelimit` is no option of the simulated model; did you mean `rate_limit`?"),
            ("rate_limit=5", "`rate_limit=5`: a share is a percentage from 0% to 100%, such as `rate_limit=5%`"),
            ("rate_limit=500%", "`rate_limit=500%`: a share is a percentage from 0% to 100%, such as `rate_limit=5%`"),
            ("rate_limit=NaN%", "`rate_limit=NaN%`: a share is a percentage from 0% to 100%, such as `rate_limit=5%`"),
            ("latency=50", "`latency=50`: a latency is a time such as `50ms` or `1.5s`, or a range such as `50ms..2s`"),
            ("latency=2s..1s", "`latency=2s..1s`: the range runs backwards"),
            ("seed=x", "`seed=x`: a seed is a whole number, such as `seed=7`"),
            ("seed", "`seed` has no value: write `seed=…`"),
            ("seed=1,seed=2", "`seed` is given twice"),
            ("output=most", "`output=most`: it is one of `min`, `typical`, `max`"),
            ("invalid=60%,refusal=60%", "the shares of failing calls add up to more than 100%"),
        ];
        for (text, expected) in cases {
            assert_eq!(SimulateOptions::parse(text).unwrap_err(), expected);
        }
        assert!(SimulateOptions::parse("colour=red").unwrap_err().contains("there are `latency`"));
    }
}
