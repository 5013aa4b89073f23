//! The customers this server keeps: invented people with the data that must stay unseen.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest text that is kept of a customer, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// One customer, as `customerData` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Customer {
    /// This server's name for the customer.
    customer_id: String,
    /// The full name.
    name: String,
    /// The e-mail address.
    email: String,
    /// The telephone number.
    phone: String,
    /// The resident registration number.
    resident_number: String,
    /// The payment card.
    card: String,
    /// The postal address.
    address: String,
    /// What colleagues wrote down.
    note: String,
}

/// What is to be kept of a customer from now on; what is left out stays.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct CustomerArguments {
    /// Which customer, such as `C-1001`.
    pub(crate) customer_id: String,
    /// A new e-mail address.
    #[serde(default)]
    email: Option<String>,
    /// A new telephone number.
    #[serde(default)]
    phone: Option<String>,
    /// A new note.
    #[serde(default)]
    note: Option<String>,
}

/// All customers of this process.
#[derive(Debug)]
pub(crate) struct Customers(Mutex<BTreeMap<String, Customer>>);

impl Customers {
    pub(crate) fn seeded() -> Self {
        let texts = [
            [
                "C-1001",
                "김민서",
                "minseo.kim@example.com",
                "010-2345-6789",
                "900215-2345678",
                "4111 1111 1111 1111",
                "서울특별시 강남구 테헤란로 152, 1204호",
                "김민서 고객은 010-2345-6789로 연락을 원함",
            ],
            [
                "C-1002",
                "Laura Becker",
                "laura.becker@example.org",
                "+49 30 901820",
                "881130-6123457",
                "5500 0000 0000 0004",
                "12 Harbour Street, Busan",
                "Prefers e-mail: laura.becker@example.org",
            ],
        ];
        let customers = texts.map(customer);
        Self(Mutex::new(customers.map(|it| (it.customer_id.clone(), it)).into()))
    }

    /// Keeps what is new of a customer and answers all of it; `None` when there is no such customer
    /// or a text is too long.
    pub(crate) fn keep(&self, new: CustomerArguments) -> Option<Customer> {
        let texts = [&new.email, &new.phone, &new.note];
        if texts.into_iter().flatten().any(|text| text.len() > MAX_TEXT_BYTES) {
            return None;
        }
        let mut customers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let customer = customers.get_mut(&new.customer_id)?;
        let parts = [
            (&mut customer.email, new.email),
            (&mut customer.phone, new.phone),
            (&mut customer.note, new.note),
        ];
        for (kept, new) in parts {
            if let Some(new) = new {
                *kept = new;
            }
        }
        Some(customer.clone())
    }
}

fn customer(texts: [&str; 8]) -> Customer {
    let [customer_id, name, email, phone, resident_number, card, address, note] =
        texts.map(str::to_owned);
    Customer { customer_id, name, email, phone, resident_number, card, address, note }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_kept_and_the_rest_stays() {
        let customers = Customers::seeded();
        let ask = |email: Option<&str>| CustomerArguments {
            customer_id: "C-1002".to_owned(),
            email: email.map(str::to_owned),
            ..CustomerArguments::default()
        };
        let before = customers.keep(ask(None)).expect("a customer");
        let after = customers.keep(ask(Some("new@example.org"))).expect("a customer");
        assert_eq!(after, Customer { email: "new@example.org".to_owned(), ..before });
        assert_eq!(customers.keep(ask(None)), Some(after));
        let long = "x".repeat(MAX_TEXT_BYTES + 1);
        assert_eq!(customers.keep(ask(Some(&long))), None);
        assert_eq!(customers.keep(CustomerArguments::default()), None);
    }
}
