"""Leaves of JSON: names of members with values of their kind, and members that hold nothing sought."""

KEYS = {
    "person": """name full_name customer_name customer client_name contact contact_name person patient patient_name employee employee_name author
        owner assignee assigned_to reporter created_by updated_by manager recipient sender sender_name from_name to_name cardholder cardholder_name
        account_holder beneficiary passenger guest_name driver host doctor physician provider_name attending teacher student user_name display_name
        signed_by approved_by emergency_contact next_of_kin tenant landlord applicant candidate interviewer participant attendee speaker holder
        billing_name shipping_name given_and_family spouse father_name mother_name legal_name nominee insured subscriber lead salesperson agent""",
    "first": "first_name given_name firstname forename nickname first fname middle_name preferred_name called",
    "last": "last_name surname family_name lastname last lname maiden_name",
    "city": "city town billing_city shipping_city birthplace city_name locality origin destination hometown municipality",
    "country": "country country_name nationality_country residence birth_country",
    "state": "state province region county",
    "place": "location place venue area place_of_birth",
    "street": "street address line1 address_line_1 street_address addr street1 delivery_address billing_address",
    "address": "address full_address shipping_address billing_address home_address mailing_address postal_address residence formatted_address",
    "company": "company company_name employer organization organisation org vendor supplier bank bank_name school university hospital facility issuer insurer merchant brand_owner client account_name manufacturer carrier publisher",
    "date": "date dob date_of_birth birth_date birthday hired_on issued admission_date",
    "nrp": "nationality religion ethnicity citizenship race",
    "prefix": "salutation honorific prefix",
    "job": "job_title position occupation role profession",
}
NOTHING = [
    ("name", ["Widget Pro", "Premium Plan", "Wireless Keyboard", "main", "get_weather", "read_file", "Default Project", "Black Coffee Mug", "Garden Chair", "search_issues", "Sprint Board", "Backup Job", "Daily Report", "Summer Sale", "production", "index.html", "Chrome", "Ubuntu", "React", "Postgres", "Red Shirt", "Apple Juice", "Basic Tee", "Olive Oil", "Rose Bouquet", "Jasmine Tea", "Ginger Ale", "Ruby", "Julia", "Dell Monitor Stand", "Angular", "Django", "Jordan Sneakers", "Page Views", "Grant Application", "Chase", "Hunter Boots"]),
    ("title", ["Quarterly report", "Fix login bug", "Meeting notes", "Introduction", "Chapter 3", "Update dependencies", "Add dark mode", "The Long Road", "Release Notes", "Privacy Policy", "Getting Started", "Budget Overview", "Annual Review", "New Feature Request", "Project Kickoff"]),
    ("product", ["Laptop Stand", "Leather Wallet", "Green Tea", "Office Chair", "Running Shoes", "Espresso Machine", "Cotton Shirt", "Water Bottle", "Phone Case"]),
    ("status", ["active", "Pending", "Shipped", "closed", "In Progress", "Done", "OPEN", "Cancelled", "Paid", "Draft"]),
    ("type", ["Admin", "Invoice", "Checking", "object", "string", "Bug", "Story", "User", "Residential", "Event"]),
    ("description", ["Returns the list of files in a folder", "A simple tool to search", "Dark roast with notes of cherry", "Opens a new window", "Total amount due", "The user has no open orders", "High quality leather, made to last", "Runs every Monday", "Reads a row from the table", "Maximum number of results"]),
    ("message", ["OK", "Not Found", "Permission denied", "Your order has shipped", "Internal Server Error", "Password changed", "Invalid argument", "Thank you for your purchase", "Rate limit exceeded"]),
    ("department", ["Finance", "Human Resources", "Engineering", "Sales", "Marketing", "Legal", "Operations", "Customer Success", "Radiology", "Cardiology"]),
    ("color", ["Blue", "Dark Green", "Scarlet", "Rose Gold", "Amber", "Violet", "Olive", "Charcoal"]),
    ("language", ["en", "English", "Python", "TypeScript", "German", "ko-KR", "Rust"]),
    ("currency", ["USD", "EUR", "KRW", "Euro", "US Dollar"]),
    ("priority", ["High", "Low", "Medium", "P1", "Urgent"]),
    ("path", ["/usr/local/bin", "src/main.rs", "C:\\Program Files\\App", "docs/Getting Started.md", "/home/app/data", "assets/logo.png"]),
    ("category", ["Electronics", "Home & Garden", "Sports", "Books", "Groceries", "Toys", "Beauty", "Office Supplies"]),
    ("plan", ["Pro", "Enterprise", "Free Tier", "Basic Monthly", "Team"]),
    ("query", ["SELECT * FROM orders", "open issues", "best coffee machine", "how to reset password", "status:open label:bug"]),
    ("tags", ["urgent", "backend", "Summer", "new", "Sale", "VIP", "frontend"]),
    ("day", ["Monday", "Tuesday", "Friday", "weekend", "Sunday"]), ("month", ["January", "April", "May", "June", "August"]),
    ("model", ["Galaxy S24", "iPhone 15 Pro", "Model 3", "Civic", "ThinkPad X1", "Corolla", "gpt-large", "Focus"]),
    ("unit", ["kg", "Hours", "Celsius", "miles"]), ("event", ["page_view", "Order Placed", "Sign Up", "Conference Call", "checkout"]),
    ("label", ["First Name", "Email Address", "Submit", "Cancel", "Phone Number", "Next Step", "Street", "City", "Country", "Company"]),
    ("format", ["A4", "JSON", "Portable Document Format", "MP4"]), ("timezone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Seoul"]),
    ("weather", ["Sunny", "Light Rain", "Partly Cloudy", "Snow"]), ("permission", ["Read", "Write", "Full Control", "Owner"]),
    ("diagnosis", ["Type 2 Diabetes", "Hypertension", "Acute Bronchitis", "Migraine"]), ("medication", ["Metformin", "Lisinopril", "Ibuprofen 400 mg", "Amoxicillin"]),
    ("branch", ["main", "release/2.1", "feature/login", "Downtown"]), ("hash", ["a94a8fe5ccb19ba6", "deadbeef"]), ("note", ["call back", "Left at reception", "fragile", "Gift wrapped"]),
]
PARENTS = "customer user data result contact employee patient order billing shipping person profile account sender recipient owner items records payload properties product issue file tool".split()
PARENTS_OF_NOTHING = "product item tool file issue project plan properties repository package event order document category metadata".split()


def styled(maker, name):
    """A name of a member in one of the usual styles."""
    words = name.split("_")
    return maker.random.choice([
        name, name, name, words[0] + "".join(word.title() for word in words[1:]), "-".join(words), " ".join(words).title(), "".join(word.title() for word in words), name.upper(),
    ])


def leaf(maker):
    draw = maker.random.random()
    if draw < 0.42:
        key, values = maker.random.choice(NOTHING)
        if maker.random.random() < 0.15:
            key = maker.random.choice(["value", "text", "content", "note", "item", "field"])
        parts = [(maker.random.choice(values), None)]
        parent = maker.random.choice(PARENTS_OF_NOTHING)
    elif draw < 0.62:
        key = maker.random.choice("text body content message note description comment summary details prompt output result answer notes".split())
        parts = maker.fill(maker.random.choice(maker.templates), {})
        parent = maker.random.choice(PARENTS)
    else:
        slot = maker.random.choice(list(KEYS) + ["person", "person", "first", "last", "city", "company"])
        key = maker.random.choice(KEYS[slot].split())
        parts = [maker.value(slot, {})]
        parent = maker.random.choice(PARENTS)
    keys = [styled(maker, key)]
    if maker.random.random() < 0.6:
        keys.insert(0, styled(maker, parent))
    return keys, maker.cased(parts)
