//! Weather by a small climate model: the same city and day always give the same answer.

use schemars::JsonSchema;
use serde::Serialize;

use crate::today::iso_date;

/// What is known of a city: yearly mean, half the swing between seasons, the warmest day of the
/// year, and how many days in a hundred are wet.
struct Climate {
    city: &'static str,
    country: &'static str,
    mean_celsius: f64,
    swing_celsius: f64,
    warmest_day: f64,
    wet_percent: u64,
}

const fn climate(
    (city, country): (&'static str, &'static str),
    (mean_celsius, swing_celsius, warmest_day): (f64, f64, f64),
    wet_percent: u64,
) -> Climate {
    Climate { city, country, mean_celsius, swing_celsius, warmest_day, wet_percent }
}

const CLIMATES: [Climate; 12] = [
    climate(("Seoul", "KR"), (12.8, 14.5, 215.0), 30),
    climate(("Busan", "KR"), (15.0, 11.5, 222.0), 27),
    climate(("Jeju", "KR"), (16.2, 10.5, 220.0), 34),
    climate(("Tokyo", "JP"), (15.8, 10.8, 220.0), 31),
    climate(("Singapore", "SG"), (27.8, 0.9, 145.0), 47),
    climate(("Sydney", "AU"), (18.4, 5.6, 25.0), 38),
    climate(("Nairobi", "KE"), (18.8, 1.6, 75.0), 28),
    climate(("Berlin", "DE"), (10.3, 9.8, 203.0), 46),
    climate(("London", "GB"), (11.6, 7.0, 205.0), 42),
    climate(("New York", "US"), (13.0, 12.4, 206.0), 33),
    climate(("San Francisco", "US"), (14.4, 3.4, 262.0), 18),
    climate(("São Paulo", "BR"), (20.1, 3.4, 40.0), 40),
];

/// The weather of one city on one day.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Weather {
    /// The city, as this server spells it.
    city: String,
    /// ISO 3166-1 alpha-2.
    country: String,
    /// The day in UTC, `YYYY-MM-DD`.
    date: String,
    /// Mean of the day, to a tenth of a degree.
    temperature_celsius: f64,
    /// `clear`, `cloudy`, `rain` or `snow`.
    sky: String,
    /// Where the numbers come from.
    source: String,
}

/// The cities this server knows, in their own order.
pub(crate) fn cities() -> impl Iterator<Item = (&'static str, &'static str)> {
    CLIMATES.iter().map(|climate| (climate.city, climate.country))
}

/// The weather of `city` on a day; `None` for a city without a climate here. Case is ignored.
pub(crate) fn weather(city: &str, days_since_epoch: u64) -> Option<Weather> {
    let wanted = city.trim().to_lowercase();
    let climate = CLIMATES.iter().find(|climate| climate.city.to_lowercase() == wanted)?;
    let chance = mix(climate.city, days_since_epoch);
    let celsius = temperature(climate, days_since_epoch, chance);
    Some(Weather {
        city: climate.city.to_owned(),
        country: climate.country.to_owned(),
        date: iso_date(days_since_epoch),
        temperature_celsius: (celsius * 10.0).round() / 10.0,
        sky: sky(climate, celsius, chance).to_owned(),
        source: "a climate model, not a measurement".to_owned(),
    })
}

/// The season's cosine, and up to three degrees of the day's own mood.
fn temperature(climate: &Climate, days_since_epoch: u64, chance: u64) -> f64 {
    // Whole days fit into an `f64` without loss for 2^53 of them.
    let day = f64::from(u32::try_from(days_since_epoch).unwrap_or(u32::MAX)) % 365.2425;
    let season = ((day - climate.warmest_day) / 365.2425 * std::f64::consts::TAU).cos();
    let mood = f64::from(u32::try_from(chance % 61).unwrap_or(0)) / 10.0 - 3.0;
    climate.mean_celsius + climate.swing_celsius * season + mood
}

fn sky(climate: &Climate, celsius: f64, chance: u64) -> &'static str {
    let hundredth = chance / 61 % 100;
    match hundredth {
        wet if wet < climate.wet_percent && celsius < 0.5 => "snow",
        wet if wet < climate.wet_percent => "rain",
        dull if dull < climate.wet_percent + 30 => "cloudy",
        _ => "clear",
    }
}

/// FNV-1a over the city and the day, so that neighbours differ.
fn mix(city: &str, days_since_epoch: u64) -> u64 {
    let bytes = city.bytes().chain(days_since_epoch.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const JULY: u64 = 20_650; // 2026-07-16
    const JANUARY: u64 = 20_469; // 2026-01-16

    #[test]
    fn a_day_has_one_weather_and_the_next_day_another() {
        assert_eq!(weather("Seoul", JULY), weather(" seoul ", JULY));
        let days: Vec<_> =
            (0..30).filter_map(|more| weather("Seoul", JULY + more)).map(|w| w.sky).collect();
        assert_eq!(days.len(), 30);
        assert!(days.iter().any(|sky| sky != &days[0]), "a month of one sky: {days:?}");
    }

    #[test]
    fn seasons_are_those_of_the_hemisphere() {
        let celsius = |city, day| weather(city, day).unwrap().temperature_celsius;
        assert!(celsius("Seoul", JULY) > celsius("Seoul", JANUARY) + 15.0);
        assert!(celsius("Sydney", JULY) < celsius("Sydney", JANUARY));
        assert!((celsius("Singapore", JULY) - 27.8).abs() < 5.0);
    }

    #[test]
    fn it_snows_only_when_it_freezes() {
        for (city, _) in cities() {
            for day in JANUARY..JANUARY + 365 {
                let day = weather(city, day).unwrap();
                assert!(day.sky != "snow" || day.temperature_celsius <= 0.5, "{day:?}");
            }
        }
    }

    #[test]
    fn an_unknown_city_has_no_weather() {
        assert_eq!(weather("Atlantis", JULY), None);
        assert_eq!(weather("", JULY), None);
    }
}
