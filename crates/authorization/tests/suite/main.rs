//! What strangers see of the authorization server.

#[cfg(test)]
mod browser;
#[cfg(test)]
mod clients_authentication;
#[cfg(test)]
mod clients_documents;
#[cfg(test)]
mod clients_registration;
#[cfg(test)]
mod clients_world;
#[cfg(test)]
mod codes;
#[cfg(test)]
mod description;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod federation;
#[cfg(test)]
mod federation_attacks;
#[cfg(test)]
mod federation_pages;
#[cfg(test)]
mod federation_provider;
#[cfg(test)]
mod federation_world;
#[cfg(test)]
mod house;
#[cfg(test)]
mod identity_assertions;
#[cfg(test)]
mod page_attacks;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod races;
#[cfg(test)]
mod second_factors;
#[cfg(test)]
mod senders;
#[cfg(test)]
mod tokens;
