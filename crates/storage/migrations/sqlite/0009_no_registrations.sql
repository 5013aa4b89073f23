-- A client that registered itself elsewhere is kept with the account it was registered for.

DROP TABLE registrations;
