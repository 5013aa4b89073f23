//! Settings, wiring and administration, as commands and the gateway use them.

#[cfg(test)]
mod administration;
#[cfg(test)]
mod embedding;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod keeping;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod upstream_authorization;
#[cfg(test)]
mod wiring;
