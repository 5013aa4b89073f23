//! What strangers see of the authorization server.

#[cfg(test)]
mod federation;
#[cfg(test)]
mod federation_attacks;
#[cfg(test)]
mod federation_provider;
#[cfg(test)]
mod federation_world;
