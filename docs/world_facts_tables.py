"""Tables for `docs.world_facts`: names and aliases, and facts that no package has, all of them written by hand."""

# A row a country: ISO code | name as it stands in a sentence | other names | other names of the capital, or other
# capitals | languages. Of several languages each is right; `~` marks one that is the main one without any law saying
# so; none are given where the law is in flux or the list is too long. A slash parts the names of one language.
COUNTRIES = """
AD | Andorra | Principality of Andorra | | Catalan
AE | the United Arab Emirates | UAE; Emirates | | Arabic
AF | Afghanistan | | | Pashto/Pashtu; Dari/Persian/Farsi
AG | Antigua and Barbuda | Antigua & Barbuda | Saint John's | English
AL | Albania | Republic of Albania | Tiranë | Albanian
AM | Armenia | Republic of Armenia | Erevan | Armenian
AO | Angola | Republic of Angola | | Portuguese
AR | Argentina | Argentine Republic | | ~Spanish/Castilian
AT | Austria | Republic of Austria | Wien | German
AU | Australia | Commonwealth of Australia | | ~English
AZ | Azerbaijan | Republic of Azerbaijan | Bakı | Azerbaijani/Azeri
BA | Bosnia and Herzegovina | Bosnia; Bosnia & Herzegovina; Bosnia-Herzegovina | | Bosnian; Croatian; Serbian
BB | Barbados | | | English
BD | Bangladesh | People's Republic of Bangladesh | Dacca | Bengali/Bangla
BE | Belgium | Kingdom of Belgium | Bruxelles; Brussel; City of Brussels | Dutch/Flemish; French; German
BF | Burkina Faso | Burkina | |
BG | Bulgaria | Republic of Bulgaria | | Bulgarian
BH | Bahrain | Kingdom of Bahrain | Al Manamah | Arabic
BI | Burundi | Republic of Burundi | | Kirundi/Rundi; French; English
BJ | Benin | Republic of Benin | Porto Novo | French
BN | Brunei | Brunei Darussalam | | Malay/Bahasa Melayu
BO | Bolivia | Plurinational State of Bolivia | La Paz |
BR | Brazil | Brasil; Federative Republic of Brazil | Brasília | Portuguese
BS | the Bahamas | Commonwealth of the Bahamas | | English
BT | Bhutan | Kingdom of Bhutan | Thimpu | Dzongkha
BW | Botswana | Republic of Botswana | |
BY | Belarus | Byelorussia; Republic of Belarus | | Belarusian; Russian
BZ | Belize | | | English
CA | Canada | | | English; French
CD | the Democratic Republic of the Congo | DRC; DR Congo; Congo-Kinshasa; Democratic Republic of Congo | | French
CF | the Central African Republic | | | French; Sango
CG | the Republic of the Congo | Congo-Brazzaville; Republic of Congo | | French
CH | Switzerland | Swiss Confederation | Berne | German; French; Italian; Romansh/Romansch
CI | Ivory Coast | Côte d'Ivoire; Cote d'Ivoire | | French
CL | Chile | Republic of Chile | Santiago de Chile | ~Spanish/Castilian
CM | Cameroon | Republic of Cameroon | Yaoundé | English; French
CN | China | People's Republic of China; PR China; PRC | Peking | \
Chinese/Mandarin/Mandarin Chinese/Standard Chinese/Putonghua
CO | Colombia | Republic of Colombia | Bogotá; Santa Fe de Bogotá | Spanish/Castilian
CR | Costa Rica | Republic of Costa Rica | San José | Spanish/Castilian
CU | Cuba | Republic of Cuba | La Habana | Spanish/Castilian
CV | Cape Verde | Cabo Verde | |
CY | Cyprus | Republic of Cyprus | Lefkosia | Greek; Turkish
CZ | the Czech Republic | Czechia | Praha | Czech
DE | Germany | Federal Republic of Germany; Deutschland | | German
DJ | Djibouti | Republic of Djibouti | Djibouti City | French; Arabic
DK | Denmark | Kingdom of Denmark | København | Danish
DM | Dominica | Commonwealth of Dominica | | English
DO | the Dominican Republic | | | Spanish/Castilian
DZ | Algeria | | Alger; El Djazair | Arabic; Tamazight/Berber
EC | Ecuador | Republic of Ecuador | |
EE | Estonia | Republic of Estonia | | Estonian
EG | Egypt | Arab Republic of Egypt | Al-Qahirah | Arabic
ER | Eritrea | State of Eritrea | |
ES | Spain | Kingdom of Spain | | Spanish/Castilian
ET | Ethiopia | | Addis Abeba |
FI | Finland | Republic of Finland | Helsingfors | Finnish; Swedish
FJ | Fiji | Republic of Fiji | | English; Fijian/iTaukei; Fiji Hindi/Hindi/Hindustani
FM | the Federated States of Micronesia | Micronesia; FSM | |
FR | France | French Republic | | French
GA | Gabon | Gabonese Republic | | French
GB | the United Kingdom | UK; U.K.; Great Britain; Britain; \
United Kingdom of Great Britain and Northern Ireland; England | | ~English
GD | Grenada | | Saint George's | English
GE | the country of Georgia | Georgia; Republic of Georgia | Tiflis | Georgian
GH | Ghana | Republic of Ghana | | English
GM | the Gambia | Republic of the Gambia | | English
GN | Guinea | Republic of Guinea; Guinea-Conakry | |
GQ | Equatorial Guinea | Republic of Equatorial Guinea | Malabo | Spanish; French; Portuguese
GR | Greece | Hellenic Republic; Hellas | Athina | Greek
GT | Guatemala | Republic of Guatemala | Ciudad de Guatemala | Spanish/Castilian
GW | Guinea-Bissau | Guinea Bissau | | Portuguese
GY | Guyana | Co-operative Republic of Guyana | | English
HN | Honduras | Republic of Honduras | Comayagüela | Spanish/Castilian
HR | Croatia | Republic of Croatia | | Croatian
HT | Haiti | Republic of Haiti | Port au Prince | Haitian Creole/Creole; French
HU | Hungary | | | Hungarian/Magyar
ID | Indonesia | Republic of Indonesia | Djakarta | Indonesian/Bahasa Indonesia/Bahasa
IE | Ireland | Republic of Ireland; Eire | Baile Átha Cliath | Irish/Irish Gaelic/Gaelic/Gaeilge; English
IN | India | Republic of India | Delhi |
IQ | Iraq | Republic of Iraq | | Arabic; Kurdish
IR | Iran | Islamic Republic of Iran; Persia | Teheran | Persian/Farsi
IS | Iceland | | Reykjavík | Icelandic
IT | Italy | Italian Republic | Roma | Italian
JM | Jamaica | | | English
JO | Jordan | Hashemite Kingdom of Jordan | | Arabic
JP | Japan | | | ~Japanese
KE | Kenya | Republic of Kenya | | Swahili/Kiswahili; English
KG | Kyrgyzstan | Kyrgyz Republic; Kirghizia | Frunze | Kyrgyz/Kirghiz; Russian
KH | Cambodia | Kampuchea; Kingdom of Cambodia | | Khmer/Cambodian
KI | Kiribati | Republic of Kiribati | South Tarawa; Bairiki | English; Gilbertese/Kiribati
KM | the Comoros | Union of the Comoros; Comoro Islands | | Comorian; Arabic; French
KN | Saint Kitts and Nevis | St Kitts and Nevis; Saint Kitts & Nevis; Saint Christopher and Nevis | | English
KP | North Korea | Democratic People's Republic of Korea; DPRK | | Korean
KR | South Korea | Republic of Korea | | Korean
KW | Kuwait | State of Kuwait | Kuwait; Al Kuwayt | Arabic
KZ | Kazakhstan | Republic of Kazakhstan | Nur-Sultan; Nursultan | Kazakh; Russian
LA | Laos | Lao People's Democratic Republic; Lao PDR | | Lao/Laotian
LB | Lebanon | Lebanese Republic | Beyrouth | Arabic
LC | Saint Lucia | St Lucia | | English
LI | Liechtenstein | Principality of Liechtenstein | | German
LK | Sri Lanka | Ceylon | Sri Jayawardenepura Kotte; Kotte; Sri Jayewardenepura Kotte | Sinhala/Sinhalese; Tamil
LR | Liberia | Republic of Liberia | | English
LS | Lesotho | Kingdom of Lesotho | |
LT | Lithuania | Republic of Lithuania | | Lithuanian
LU | Luxembourg | Grand Duchy of Luxembourg; Luxemburg | Luxembourg City | Luxembourgish; French; German
LV | Latvia | Republic of Latvia | | Latvian
LY | Libya | State of Libya | Tarabulus | Arabic
MA | Morocco | Kingdom of Morocco | | Arabic; Tamazight/Berber/Amazigh
MC | Monaco | Principality of Monaco | | French
MD | Moldova | Republic of Moldova | Chișinău; Kishinev | Romanian/Moldovan
ME | Montenegro | Crna Gora | |
MG | Madagascar | Republic of Madagascar | Tananarive | Malagasy; French
MH | the Marshall Islands | Republic of the Marshall Islands | Delap-Uliga-Djarrit | Marshallese; English
MK | North Macedonia | Macedonia; Republic of North Macedonia | Skopje | Macedonian; Albanian
ML | Mali | Republic of Mali | |
MM | Myanmar | Burma | Naypyidaw; Naypyitaw | Burmese/Myanmar
MN | Mongolia | | Ulan Bator | Mongolian
MR | Mauritania | Islamic Republic of Mauritania | | Arabic
MT | Malta | Republic of Malta | | Maltese; English
MU | Mauritius | Republic of Mauritius | |
MV | the Maldives | Maldive Islands; Republic of Maldives | Malé | Dhivehi/Divehi/Maldivian
MW | Malawi | Republic of Malawi | |
MX | Mexico | United Mexican States | Ciudad de México; CDMX | ~Spanish/Castilian
MY | Malaysia | | Putrajaya | Malay/Malaysian/Bahasa Melayu/Bahasa Malaysia
MZ | Mozambique | Republic of Mozambique | | Portuguese
NA | Namibia | Republic of Namibia | | English
NE | Niger | Republic of the Niger | |
NG | Nigeria | Federal Republic of Nigeria | | English
NI | Nicaragua | Republic of Nicaragua | | Spanish/Castilian
NL | the Netherlands | Holland; Kingdom of the Netherlands | | Dutch
NO | Norway | Kingdom of Norway | | ~Norwegian/Bokmål/Nynorsk
NP | Nepal | | Katmandu | Nepali
NR | Nauru | Republic of Nauru | |
NZ | New Zealand | Aotearoa | | ~English
OM | Oman | Sultanate of Oman | Masqat | Arabic
PA | Panama | Republic of Panama | Ciudad de Panamá | Spanish/Castilian
PE | Peru | Republic of Peru | | Spanish/Castilian; Quechua; Aymara
PG | Papua New Guinea | PNG | | English; Tok Pisin; Hiri Motu; Papua New Guinean Sign Language/sign language
PH | the Philippines | Republic of the Philippines | Metro Manila | Filipino/Tagalog; English
PK | Pakistan | Islamic Republic of Pakistan | | Urdu; English
PL | Poland | Republic of Poland | Warszawa | Polish
PT | Portugal | Portuguese Republic | Lisboa | Portuguese
PW | Palau | Republic of Palau | | Palauan; English
PY | Paraguay | Republic of Paraguay | Asunción | Spanish/Castilian; Guarani
QA | Qatar | State of Qatar | Ad-Dawhah | Arabic
RO | Romania | | București | Romanian
RS | Serbia | Republic of Serbia | Beograd | Serbian
RU | Russia | Russian Federation | Moskva | Russian
RW | Rwanda | Republic of Rwanda | | Kinyarwanda/Rwanda; English; French; Swahili/Kiswahili
SA | Saudi Arabia | Kingdom of Saudi Arabia | Ar-Riyad | Arabic
SB | the Solomon Islands | Solomons | | English
SC | the Seychelles | Republic of Seychelles | | English; French; Seychellois Creole
SD | Sudan | Republic of the Sudan | | Arabic; English
SE | Sweden | Kingdom of Sweden | | Swedish
SG | Singapore | Republic of Singapore | | English; Malay; Mandarin/Chinese/Mandarin Chinese; Tamil
SI | Slovenia | Republic of Slovenia | | Slovene/Slovenian
SK | Slovakia | Slovak Republic | | Slovak
SL | Sierra Leone | Republic of Sierra Leone | | English
SM | San Marino | Republic of San Marino | City of San Marino | Italian
SN | Senegal | Republic of Senegal | | French
SO | Somalia | Federal Republic of Somalia | Muqdisho; Mogadiscio | Somali; Arabic
SR | Suriname | Surinam; Republic of Suriname | | Dutch
SS | South Sudan | Republic of South Sudan | | English
ST | São Tomé and Príncipe | Sao Tome & Principe; Saint Thomas and Prince | São Tomé | Portuguese
SV | El Salvador | Republic of El Salvador | | Spanish/Castilian
SY | Syria | Syrian Arab Republic | Dimashq | Arabic
SZ | Eswatini | Swaziland; Kingdom of Eswatini | Lobamba | English; Swazi/Swati/siSwati
TD | Chad | Republic of Chad | Ndjamena | French; Arabic
TG | Togo | Togolese Republic | Lomé | French
TH | Thailand | Siam; Kingdom of Thailand | Krung Thep; Krung Thep Maha Nakhon | Thai/Siamese
TJ | Tajikistan | Republic of Tajikistan | | Tajik/Tajiki/Persian
TL | East Timor | Timor-Leste; Timor Leste | | Portuguese; Tetum/Tetun
TM | Turkmenistan | | Ashkhabad; Aşgabat | Turkmen
TN | Tunisia | Republic of Tunisia | | Arabic
TO | Tonga | Kingdom of Tonga | Nukualofa | Tongan; English
TR | Turkey | Türkiye; Republic of Turkey; Republic of Türkiye | | Turkish
TT | Trinidad and Tobago | Trinidad & Tobago; Trinidad | | English
TV | Tuvalu | | Fongafale; Vaiaku | Tuvaluan; English
TW | Taiwan | Chinese Taipei | Taipei City | ~Mandarin/Chinese/Mandarin Chinese
TZ | Tanzania | United Republic of Tanzania | | Swahili/Kiswahili; English
UA | Ukraine | | Kiev | Ukrainian
UG | Uganda | Republic of Uganda | | English; Swahili/Kiswahili
US | the United States | USA; US; U.S.; U.S.A.; United States of America; America | Washington DC | ~English
UY | Uruguay | Oriental Republic of Uruguay | | ~Spanish/Castilian
UZ | Uzbekistan | Republic of Uzbekistan | Toshkent | Uzbek
VA | Vatican City | Vatican; Holy See; Vatican City State | |
VC | Saint Vincent and the Grenadines | St Vincent; Saint Vincent; Saint Vincent & the Grenadines | | English
VE | Venezuela | Bolivarian Republic of Venezuela | |
VN | Vietnam | Viet Nam; Socialist Republic of Vietnam | Ha Noi | Vietnamese
VU | Vanuatu | Republic of Vanuatu | Port-Vila | Bislama; English; French
WS | Samoa | Western Samoa; Independent State of Samoa | | Samoan; English
XK | Kosovo | Republic of Kosovo | Priština; Prishtina | Albanian; Serbian
YE | Yemen | Republic of Yemen | Sana'a; Aden | Arabic
ZA | South Africa | Republic of South Africa | Cape Town; Bloemfontein; Tshwane | \
Zulu/isiZulu; Xhosa/isiXhosa; Afrikaans; English; Northern Sotho/Sepedi/Pedi; Tswana/Setswana; \
Sotho/Sesotho/Southern Sotho; \
Tsonga/Xitsonga; Swazi/Swati/siSwati; Venda/Tshivenda; Ndebele/isiNdebele; South African Sign Language/sign language
ZM | Zambia | Republic of Zambia | | English
ZW | Zimbabwe | Republic of Zimbabwe | |
"""

# GeoNames' name of a capital → the one a question uses.
CAPITAL_NAMES = {
    "Asuncion": "Asunción",
    "Bogota": "Bogotá",
    "Brasilia": "Brasília",
    "Chisinau": "Chișinău",
    "Colombo": "Sri Jayawardenepura Kotte",
    "Lome": "Lomé",
    "Male": "Malé",
    "Melekeok": "Ngerulmud",
    "Nay Pyi Taw": "Naypyidaw",
    "Nur-Sultan": "Astana",
    "San Jose": "San José",
    "Sanaa": "Sana'a",
    "Sao Tome": "São Tomé",
    "Tarawa": "South Tarawa",
    "Washington": "Washington, D.C.",
    "Yaounde": "Yaoundé",
}
# Left out: the answer is in the question, the capital has just moved, or there is none by law.
NO_CAPITAL = {"GQ", "MC", "NR", "SG", "VA"}
# Left out: the capital's name says its country, there are several capitals, or one country's name is in another's.
NO_COUNTRY_OF_CAPITAL = NO_CAPITAL | {
    *(
        "AD",
        "BO",
        "CG",
        "DJ",
        "GN",
        "GT",
        "GW",
        "KW",
        "LK",
        "LU",
        "MX",
        "PA",
        "PW",
        "SD",
        "SM",
        "ST",
        "SV",
        "SZ",
        "TN",
        "ZA",
    ),
}

CONTINENTS = {
    "AF": "Africa",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}
CENTRAL_AMERICA = {"BZ", "CR", "GT", "HN", "NI", "PA", "SV"}
# Countries on two continents: the one GeoNames doesn't give.
SECOND_CONTINENT = {
    **dict.fromkeys(("AM", "AZ", "GE", "KZ", "TR"), "Europe"),
    **dict.fromkeys(("CY", "EG", "RU", "TL"), "Asia"),
    "ID": "Oceania",
}
EURASIA = {"AM", "AZ", "CY", "GE", "KZ", "RU", "TR"}
NO_CONTINENT = {"TT"}

# Left out: a currency that has just changed, or several with the same rights.
NO_CURRENCY = {"BG", "LR", "SV", "ZW"}
# Legal tender beside the country's own.
SECOND_CURRENCY = {
    "BT": ("Indian rupee",),
    "LS": ("South African rand", "rand"),
    "NA": ("South African rand", "rand"),
    "SZ": ("South African rand", "rand"),
    "PA": ("US dollar", "United States dollar"),
    "KI": ("Kiribati dollar",),
    "TV": ("Tuvaluan dollar",),
}
# ISO 4217 code → all names; for others CLDR's name and its last word serve.
CURRENCY_NAMES = {
    "AED": ("UAE dirham", "dirham", "Emirati dirham", "United Arab Emirates dirham"),
    "BAM": ("convertible mark", "mark", "Bosnia and Herzegovina convertible mark", "Bosnian mark"),
    "BND": ("Brunei dollar", "Bruneian dollar", "dollar"),
    "BYN": ("Belarusian ruble", "ruble", "rouble", "Belarusian rouble"),
    "CHF": ("Swiss franc", "franc"),
    "CNY": ("yuan", "renminbi", "RMB", "Chinese yuan", "yuan renminbi"),
    "CZK": ("Czech koruna", "koruna", "Czech crown", "crown"),
    "DKK": ("Danish krone", "krone", "Danish crown", "crown"),
    "EUR": ("euro", "euros"),
    "GBP": ("pound sterling", "pound", "British pound", "sterling"),
    "GYD": ("Guyanese dollar", "Guyana dollar", "dollar"),
    "KGS": ("som", "Kyrgyzstani som", "Kyrgyz som"),
    "LBP": ("Lebanese pound", "pound", "Lebanese lira", "lira"),
    "LSL": ("loti", "maloti", "Lesotho loti"),
    "MNT": ("tögrög", "tugrik", "togrog", "Mongolian tugrik", "Mongolian tögrög"),
    "NOK": ("Norwegian krone", "krone", "Norwegian crown", "crown"),
    "NPR": ("Nepalese rupee", "Nepali rupee", "rupee"),
    "PEN": ("sol", "Peruvian sol", "nuevo sol"),
    "PLN": ("złoty", "zloty", "Polish zloty", "Polish złoty"),
    "RUB": ("Russian ruble", "ruble", "rouble", "Russian rouble"),
    "SEK": ("Swedish krona", "krona", "Swedish crown", "crown"),
    "STN": ("dobra", "São Tomé and Príncipe dobra"),
    "SYP": ("Syrian pound", "pound", "Syrian lira", "lira"),
    "SZL": ("lilangeni", "emalangeni", "Swazi lilangeni"),
    "TOP": ("pa'anga", "paanga", "Tongan pa'anga"),
    "TRY": ("Turkish lira", "lira", "new Turkish lira"),
    "TTD": ("Trinidad and Tobago dollar", "TT dollar"),
    "TWD": ("New Taiwan dollar", "Taiwan dollar", "NT dollar", "Taiwanese dollar"),
    "UAH": ("hryvnia", "hryvnya", "Ukrainian hryvnia"),
    "USD": ("US dollar", "dollar", "United States dollar", "U.S. dollar", "American dollar"),
    "UZS": ("som", "sum", "soum", "Uzbekistani som", "Uzbek som", "Uzbek sum"),
    "VES": ("bolívar", "Venezuelan bolívar", "bolívar soberano", "bolívar digital"),
    "XAF": ("Central African CFA franc", "CFA franc", "franc CFA"),
    "XCD": ("East Caribbean dollar", "Eastern Caribbean dollar", "EC dollar"),
    "XOF": ("West African CFA franc", "CFA franc", "franc CFA"),
}
UNIT_SPELLINGS = {"rial": ("riyal",), "riyal": ("rial",)}

ELEMENT_ALIASES = {
    "aluminum": ("aluminium",),
    "cesium": ("caesium",),
    "sulfur": ("sulphur",),
    "sodium": ("natrium",),
    "potassium": ("kalium",),
    "tungsten": ("wolfram",),
    "mercury": ("quicksilver",),
    "niobium": ("columbium",),
}
# Symbols that are English words: a judge of answers would see them in "I don't know".
WORD_SYMBOLS = {"Am", "As", "At", "Be", "He", "I", "In", "No"}
# The few-shot prompt (`questions.prompts`) shows this one, and three facts that are not in the tables.
SHOWN_SYMBOLS = {"Au"}

STATES = """
Alabama Montgomery | Alaska Juneau | Arizona Phoenix | Arkansas Little Rock | California Sacramento | Colorado Denver
Connecticut Hartford | Delaware Dover | Florida Tallahassee | Georgia Atlanta | Hawaii Honolulu | Idaho Boise
Illinois Springfield | Indiana Indianapolis | Iowa Des Moines | Kansas Topeka | Kentucky Frankfort
Louisiana Baton Rouge | Maine Augusta | Maryland Annapolis | Massachusetts Boston | Michigan Lansing
Minnesota Saint Paul | Mississippi Jackson | Missouri Jefferson City | Montana Helena | Nebraska Lincoln
Nevada Carson City | New_Hampshire Concord | New_Jersey Trenton | New_Mexico Santa Fe | New_York Albany
North_Carolina Raleigh | North_Dakota Bismarck | Ohio Columbus | Oklahoma Oklahoma City | Oregon Salem
Pennsylvania Harrisburg | Rhode_Island Providence | South_Carolina Columbia | South_Dakota Pierre | \
Tennessee Nashville
Texas Austin | Utah Salt Lake City | Vermont Montpelier | Virginia Richmond | Washington Olympia
West_Virginia Charleston | Wisconsin Madison | Wyoming Cheyenne
"""

# Of these two countries only the cities that are known beyond doubt to be cities, not districts or prefectures.
CITIES_ONLY = {
    "CN": """Shanghai; Shenzhen; Guangzhou; Chengdu; Tianjin; Wuhan; Dongguan; Xi’an; Nanjing; Hangzhou; Foshan;
        Chongqing; Qingdao; Shenyang; Harbin; Hefei; Dalian; Changchun; Xiamen; Wuxi; Jinan; Taiyuan; Zhengzhou;
        Shijiazhuang; Kunming; Nanning; Shantou; Ningbo; Tangshan; Changsha; Guiyang; Ürümqi; Lanzhou; Wenzhou;
        Nanchang; Hohhot; Zhuhai; Yantai; Datong; Luoyang; Guilin; Xining; Kaifeng; Yangzhou; Xuzhou""",
    "IN": """Mumbai; Bengaluru; Ahmedabad; Chennai; Kolkata; Surat; Pune; Jaipur; Kanpur; Lucknow; Nagpur; Coimbatore;
        Indore; Vadodara; Bhopal; Patna; Ludhiana; Nashik; Madurai; Agra; Faridabad; Jamshedpur; Meerut; Dhanbad;
        Varanasi; Amritsar; Vijayawada; Ranchi; Jabalpur; Prayagraj; Visakhapatnam; Jodhpur; Gwalior; Howrah;
        Tiruchirappalli; Chandigarh; Guwahati; Mysuru; Gurugram; Bhubaneswar; Jalandhar; Thiruvananthapuram;
        Bareilly; Warangal""",
}
# Districts and suburbs that GeoNames lists as cities, doubtful populations, shared names, disputed cities.
NOT_CITIES = """
Mulenvos; Viana; Kikolo; Maianga; Abobo; Kennedy; Camayenne; Pest; Jepara; Aihara; Setagaya; Ōta; Kakamega; Takeo; Al
Mawşil al Jadīdah; Al Başrah al Qadīmah; Sadr City; Abū Ghurayb; Ra’s Bayrūt; Iztapalapa; Oyo; Serang; Gustavo Adolfo
Madero; Álvaro Obregón; Naucalpan de Juárez; Ecatepec de Morelos; Santiago de Querétaro; León de los Aldama; Kampung
Baru Subang; Budta; Malingao; Bannu; Arifwala; Battagram; Muzaffarābād; Sulţānah; Esenyurt; Çankaya; Küçükçekmece;
Bağcılar; Brooklyn; Queens; Manhattan; The Bronx; Evaton; Soshanguve; Khartoum North; Santo Domingo Oeste; Santo
Domingo Este; Donetsk; South Tangerang; Valenzuela; Trujillo; Mérida; Rosario; Shubrā al Khaymah; Pikine; Callao;
Zanzibar; Ciudad Nezahualcoyotl; Subang Jaya; Soweto; Aba; Ibb; Dera Ismail Khan; Hyderabad; Alexandria; Natal;
Salvador; Campo Grande; Vinh
"""
CITY_NAMES = {
    "Al Ain City": "Al Ain",
    "Al Ḩudaydah": "Hodeidah",
    "Basrah": "Basra",
    "Biên Hòa": "Bien Hoa",
    "Bucheon-si": "Bucheon",
    "Cheongju-si": "Cheongju",
    "Cần Thơ": "Can Tho",
    "Fes": "Fez",
    "Goyang-si": "Goyang",
    "Huế": "Hue",
    "Köln": "Cologne",
    "Madinah": "Medina",
    "Makkah": "Mecca",
    "Nizhniy Novgorod": "Nizhny Novgorod",
    "Paranaque City": "Parañaque",
    "Pasig City": "Pasig",
    "Seongnam-si": "Seongnam",
    "Thanh Hóa": "Thanh Hoa",
    "Xi’an": "Xi'an",
    "Zaporizhzhya": "Zaporizhzhia",
    "Davao": "Davao City",
    "Zamboanga": "Zamboanga City",
}

# Kind | who made it, other names | works.
WORKS = """
novel | Jane Austen, Austen | Pride and Prejudice; Sense and Sensibility; Emma; Mansfield Park; Persuasion; \
Northanger Abbey
novel | Charles Dickens, Dickens | Oliver Twist; Great Expectations; A Tale of Two Cities; David Copperfield; \
Bleak House
novel | Leo Tolstoy, Tolstoy, Lev Tolstoy | War and Peace; Anna Karenina
novel | Fyodor Dostoevsky, Dostoevsky, Dostoyevsky, Fyodor Dostoyevsky | Crime and Punishment; \
The Brothers Karamazov; \
The Idiot; Demons
novel | George Orwell, Orwell, Eric Blair, Eric Arthur Blair | Nineteen Eighty-Four; Animal Farm; Burmese Days
novel | Mark Twain, Twain, Samuel Clemens, Samuel Langhorne Clemens | The Adventures of Tom Sawyer; \
Adventures of Huckleberry Finn; The Prince and the Pauper
novel | Ernest Hemingway, Hemingway | The Old Man and the Sea; A Farewell to Arms; For Whom the Bell Tolls; \
The Sun Also Rises
novel | F. Scott Fitzgerald, Fitzgerald, Francis Scott Fitzgerald | The Great Gatsby; Tender Is the Night
novel | John Steinbeck, Steinbeck | The Grapes of Wrath; Of Mice and Men; East of Eden
novel | Herman Melville, Melville | Moby-Dick; Billy Budd
novel | Nathaniel Hawthorne, Hawthorne | The Scarlet Letter; The House of the Seven Gables
novel | Charlotte Brontë, Currer Bell | Jane Eyre; Villette
novel | Emily Brontë, Ellis Bell | Wuthering Heights
novel | Anne Brontë, Acton Bell | The Tenant of Wildfell Hall; Agnes Grey
novel | George Eliot, Mary Ann Evans, Marian Evans | Middlemarch; Silas Marner; The Mill on the Floss
novel | Thomas Hardy, Hardy | Tess of the d'Urbervilles; Far from the Madding Crowd; Jude the Obscure
novel | Mary Shelley, Mary Wollstonecraft Shelley | Frankenstein
novel | Bram Stoker, Stoker | Dracula
novel | Robert Louis Stevenson, Stevenson, R. L. Stevenson | Treasure Island; Kidnapped
novel | Daniel Defoe, Defoe | Robinson Crusoe; Moll Flanders
novel | Jonathan Swift, Swift | Gulliver's Travels
novel | Victor Hugo, Hugo | Les Misérables; The Hunchback of Notre-Dame
novel | Alexandre Dumas, Dumas | The Three Musketeers; The Count of Monte Cristo
novel | Gustave Flaubert, Flaubert | Madame Bovary; Sentimental Education; Salammbô
novel | Jules Verne, Verne | Twenty Thousand Leagues Under the Seas; Around the World in Eighty Days; \
Journey to the Center of the Earth
novel | H. G. Wells, Wells, Herbert George Wells | The War of the Worlds; The Time Machine; The Invisible Man; \
The Island of Doctor Moreau
novel | Aldous Huxley, Huxley | Brave New World; Point Counter Point
novel | Ray Bradbury, Bradbury | Fahrenheit 451
novel | William Golding, Golding | Lord of the Flies
novel | Harper Lee, Nelle Harper Lee | To Kill a Mockingbird
novel | J. D. Salinger, Salinger, Jerome David Salinger | The Catcher in the Rye
novel | Joseph Heller, Heller | Catch-22
novel | Kurt Vonnegut, Vonnegut | Slaughterhouse-Five; Cat's Cradle
novel | Jack Kerouac, Kerouac | On the Road
novel | J. R. R. Tolkien, Tolkien, John Ronald Reuel Tolkien | The Hobbit; The Lord of the Rings
novel | C. S. Lewis, Clive Staples Lewis | The Lion, the Witch and the Wardrobe
novel | J. K. Rowling, Rowling, Joanne Rowling | Harry Potter and the Philosopher's Stone; \
Harry Potter and the Chamber of Secrets
novel | Agatha Christie, Christie | Murder on the Orient Express; And Then There Were None; Death on the Nile
novel | Arthur Conan Doyle, Conan Doyle, Sir Arthur Conan Doyle, Doyle | The Hound of the Baskervilles; \
A Study in Scarlet
novel | Gabriel García Márquez, García Márquez, Márquez | One Hundred Years of Solitude; Love in the Time of Cholera
novel | Miguel de Cervantes, Cervantes, Miguel de Cervantes Saavedra | Don Quixote
novel | Albert Camus, Camus | The Stranger; The Plague; The Fall
novel | Franz Kafka, Kafka | The Trial; The Castle; The Metamorphosis
novel | Thomas Mann, Mann | Buddenbrooks; The Magic Mountain; Death in Venice
novel | Hermann Hesse, Hesse | Steppenwolf; Siddhartha; The Glass Bead Game
novel | Erich Maria Remarque, Remarque | All Quiet on the Western Front
novel | Günter Grass, Grass | The Tin Drum
novel | Umberto Eco, Eco | The Name of the Rose; Foucault's Pendulum
novel | Boris Pasternak, Pasternak | Doctor Zhivago
novel | Mikhail Bulgakov, Bulgakov | The Master and Margarita
novel | Vladimir Nabokov, Nabokov | Lolita; Pale Fire
novel | Margaret Mitchell, Mitchell | Gone with the Wind
novel | Louisa May Alcott, Alcott | Little Women
novel | Virginia Woolf, Woolf | Mrs Dalloway; To the Lighthouse; Orlando
novel | James Joyce, Joyce | Ulysses; Finnegans Wake; A Portrait of the Artist as a Young Man
novel | Joseph Conrad, Conrad | Heart of Darkness; Lord Jim; Nostromo
novel | Rudyard Kipling, Kipling | Kim
novel | Oscar Wilde, Wilde | The Picture of Dorian Gray
novel | E. M. Forster, Forster, Edward Morgan Forster | A Passage to India; Howards End; A Room with a View
novel | D. H. Lawrence, Lawrence, David Herbert Lawrence | Lady Chatterley's Lover; Sons and Lovers; Women in Love
novel | Chinua Achebe, Achebe | Things Fall Apart
novel | Toni Morrison, Morrison | Beloved; Song of Solomon
novel | Alice Walker, Walker | The Color Purple
novel | Margaret Atwood, Atwood | The Handmaid's Tale
novel | Salman Rushdie, Rushdie | Midnight's Children; The Satanic Verses
novel | Frank Herbert, Herbert | Dune
novel | Isaac Asimov, Asimov | Foundation; The Caves of Steel
novel | Philip K. Dick, Dick, Philip Kindred Dick | Do Androids Dream of Electric Sheep?; The Man in the High Castle
novel | Arthur C. Clarke, Clarke | Rendezvous with Rama; Childhood's End
novel | Mario Puzo, Puzo | The Godfather
novel | Stephen King, King | The Shining; Carrie; Pet Sematary
novel | Dan Brown, Brown | The Da Vinci Code; Angels & Demons
novel | Paulo Coelho, Coelho | The Alchemist
novel | Anthony Burgess, Burgess | A Clockwork Orange
novel | William Makepeace Thackeray, Thackeray | Vanity Fair
novel | Sylvia Plath, Plath | The Bell Jar
novel | Italo Calvino, Calvino | Invisible Cities
novel | Stendhal, Marie-Henri Beyle, Henri Beyle | The Red and the Black; The Charterhouse of Parma
novel | Émile Zola, Zola | Germinal; Nana
novel | Marcel Proust, Proust | In Search of Lost Time
novel | Nikolai Gogol, Gogol | Dead Souls
novel | Ivan Turgenev, Turgenev | Fathers and Sons
novel | Jack London, London | The Call of the Wild; White Fang
novel | Gaston Leroux, Leroux | The Phantom of the Opera
novel | Upton Sinclair, Sinclair | The Jungle
novel | Douglas Adams, Adams | The Hitchhiker's Guide to the Galaxy
novel | Suzanne Collins, Collins | The Hunger Games
novel | Khaled Hosseini, Hosseini | The Kite Runner
children's book | Lewis Carroll, Carroll, Charles Lutwidge Dodgson, Charles Dodgson | \
Alice's Adventures in Wonderland; \
Through the Looking-Glass
children's book | A. A. Milne, Milne, Alan Alexander Milne | Winnie-the-Pooh
children's book | Roald Dahl, Dahl | Charlie and the Chocolate Factory; Matilda; The BFG
children's book | Kenneth Grahame, Grahame | The Wind in the Willows
children's book | Antoine de Saint-Exupéry, Saint-Exupéry | The Little Prince
children's book | Carlo Collodi, Collodi, Carlo Lorenzini | The Adventures of Pinocchio
children's book | Johanna Spyri, Spyri | Heidi
children's book | Astrid Lindgren, Lindgren | Pippi Longstocking
children's book | Dr. Seuss, Dr Seuss, Doctor Seuss, Seuss, Theodor Seuss Geisel, Theodor Geisel | \
The Cat in the Hat; \
Green Eggs and Ham
children's book | Eric Carle, Carle | The Very Hungry Caterpillar
children's book | Maurice Sendak, Sendak | Where the Wild Things Are
children's book | E. B. White, White, Elwyn Brooks White | Charlotte's Web; Stuart Little
children's book | Beatrix Potter, Potter | The Tale of Peter Rabbit
children's book | L. Frank Baum, Baum, Frank Baum, Lyman Frank Baum | The Wonderful Wizard of Oz
children's book | Frances Hodgson Burnett, Burnett | The Secret Garden; A Little Princess
children's book | Lucy Maud Montgomery, L. M. Montgomery, Montgomery | Anne of Green Gables
children's book | Rudyard Kipling, Kipling | The Jungle Book
play | William Shakespeare, Shakespeare | Hamlet; Macbeth; Othello; King Lear; The Tempest; \
Julius Caesar; A Midsummer Night's Dream; Twelfth Night; The Merchant of Venice; Much Ado About Nothing; As You Like It
play | Sophocles, Sophokles | Oedipus Rex; Oedipus at Colonus
play | Aristophanes | Lysistrata; The Frogs; The Birds
play | Euripides | The Bacchae
play | Molière, Jean-Baptiste Poquelin | Tartuffe; The Misanthrope; The Imaginary Invalid
play | Johann Wolfgang von Goethe, Goethe | Egmont
play | Friedrich Schiller, Schiller, Friedrich von Schiller | William Tell; The Robbers; Mary Stuart
play | Henrik Ibsen, Ibsen | A Doll's House; Peer Gynt; Hedda Gabler; Ghosts
play | August Strindberg, Strindberg | Miss Julie
play | Anton Chekhov, Chekhov, Tchekhov | The Cherry Orchard; The Seagull; Uncle Vanya; Three Sisters
play | Oscar Wilde, Wilde | The Importance of Being Earnest; An Ideal Husband; Lady Windermere's Fan
play | George Bernard Shaw, Shaw, Bernard Shaw, G. B. Shaw | Pygmalion; Major Barbara; Saint Joan
play | Samuel Beckett, Beckett | Waiting for Godot; Endgame; Krapp's Last Tape
play | Arthur Miller, Miller | Death of a Salesman; The Crucible; A View from the Bridge
play | Tennessee Williams, Williams | A Streetcar Named Desire; The Glass Menagerie; Cat on a Hot Tin Roof
play | Bertolt Brecht, Brecht | Mother Courage and Her Children; Life of Galileo; The Good Person of Szechwan
play | Christopher Marlowe, Marlowe | Doctor Faustus; Tamburlaine
play | Edmond Rostand, Rostand | Cyrano de Bergerac
play | Eugene O'Neill, O'Neill | Long Day's Journey into Night; The Iceman Cometh
poem | Dante Alighieri, Dante | Divine Comedy
poem | John Milton, Milton | Paradise Lost; Paradise Regained
poem | T. S. Eliot, Thomas Stearns Eliot | The Waste Land; The Hollow Men
poem | Samuel Taylor Coleridge, Coleridge | The Rime of the Ancient Mariner; Kubla Khan
poem | Edgar Allan Poe, Poe | The Raven; Annabel Lee
poem | Virgil, Vergil | Aeneid; Georgics
poem | Ovid | Metamorphoses
poem | Percy Bysshe Shelley, Percy Shelley | Ozymandias
poem | John Keats, Keats | Ode to a Nightingale; Ode on a Grecian Urn
poem | Robert Frost, Frost | The Road Not Taken; Stopping by Woods on a Snowy Evening
poem | Walt Whitman, Whitman | O Captain! My Captain!; Song of Myself
poem | Alfred Tennyson, Tennyson, Lord Tennyson, Alfred Lord Tennyson | The Charge of the Light Brigade
poem | Rudyard Kipling, Kipling | Gunga Din
poem | Geoffrey Chaucer, Chaucer | Troilus and Criseyde
poem | Homer | Iliad; Odyssey
book | Charles Darwin, Darwin | On the Origin of Species; The Descent of Man
book | Adam Smith, Smith | The Wealth of Nations; The Theory of Moral Sentiments
book | Niccolò Machiavelli, Machiavelli | The Prince
book | Plato | The Republic; Phaedo
book | Aristotle | Nicomachean Ethics; Poetics
book | Immanuel Kant, Kant | Critique of Pure Reason; Critique of Practical Reason
book | Friedrich Nietzsche, Nietzsche | Thus Spoke Zarathustra; Beyond Good and Evil
book | Jean-Jacques Rousseau, Rousseau | The Social Contract
book | Mary Wollstonecraft, Wollstonecraft | A Vindication of the Rights of Woman
book | Karl Marx, Marx | Das Kapital
book | Isaac Newton, Newton, Sir Isaac Newton | Philosophiæ Naturalis Principia Mathematica
book | Stephen Hawking, Hawking | A Brief History of Time
book | Rachel Carson, Carson | Silent Spring
book | Simone de Beauvoir, de Beauvoir, Beauvoir | The Second Sex
book | Sigmund Freud, Freud | The Interpretation of Dreams; Civilization and Its Discontents
book | Henry David Thoreau, Thoreau | Walden
book | Richard Dawkins, Dawkins | The Selfish Gene; The God Delusion
book | Giovanni Boccaccio, Boccaccio | The Decameron
book | Carl Sagan, Sagan | Pale Blue Dot
painting | Leonardo da Vinci, Leonardo, da Vinci | Mona Lisa; Lady with an Ermine; Virgin of the Rocks
painting | Vincent van Gogh, van Gogh | The Starry Night; The Potato Eaters; Café Terrace at Night; \
Wheatfield with Crows
painting | Pablo Picasso, Picasso | Guernica; Les Demoiselles d'Avignon; The Weeping Woman
painting | Edvard Munch, Munch | The Scream
painting | Johannes Vermeer, Vermeer, Jan Vermeer | Girl with a Pearl Earring; The Milkmaid; View of Delft
painting | Rembrandt, Rembrandt van Rijn | The Night Watch; The Anatomy Lesson of Dr. Nicolaes Tulp; \
The Storm on the Sea of Galilee
painting | Sandro Botticelli, Botticelli | Primavera
painting | Salvador Dalí, Dalí | The Persistence of Memory; Swans Reflecting Elephants
painting | Gustav Klimt, Klimt | Portrait of Adele Bloch-Bauer I
painting | Diego Velázquez, Velázquez | Las Meninas; The Surrender of Breda
painting | Francisco Goya, Goya, Francisco de Goya | The Third of May 1808; Saturn Devouring His Son; The Naked Maja
painting | Claude Monet, Monet | Impression, Sunrise; Woman with a Parasol
painting | Édouard Manet, Manet | Olympia; A Bar at the Folies-Bergère
painting | Georges Seurat, Seurat | A Sunday Afternoon on the Island of La Grande Jatte; Bathers at Asnières
painting | Pierre-Auguste Renoir, Renoir, Auguste Renoir | Luncheon of the Boating Party; \
Dance at Le Moulin de la Galette
painting | Eugène Delacroix, Delacroix | Liberty Leading the People; The Death of Sardanapalus
painting | Théodore Géricault, Géricault | The Raft of the Medusa
painting | Jacques-Louis David, Jacques Louis David | The Death of Marat; Oath of the Horatii; The Death of Socrates
painting | Raphael, Raffaello Sanzio, Raffaello | The School of Athens; Sistine Madonna
painting | Jan van Eyck, van Eyck | Arnolfini Portrait
painting | Hieronymus Bosch, Bosch | The Garden of Earthly Delights; The Haywain Triptych
painting | Pieter Bruegel the Elder, Bruegel, Pieter Bruegel, Brueghel, Pieter Brueghel | The Hunters in the Snow; \
Netherlandish Proverbs; The Peasant Wedding
painting | Edward Hopper, Hopper | Nighthawks; Automat
painting | Grant Wood, Wood | American Gothic
painting | Andrew Wyeth, Wyeth | Christina's World
painting | René Magritte, Magritte | The Treachery of Images; The Son of Man; Golconda
painting | Frida Kahlo, Kahlo | The Two Fridas; The Broken Column
painting | James McNeill Whistler, Whistler, James Abbott McNeill Whistler | Arrangement in Grey and Black No. 1
painting | Caspar David Friedrich, Friedrich | Wanderer above the Sea of Fog; The Sea of Ice
painting | J. M. W. Turner, Turner, William Turner, Joseph Mallord William Turner | The Fighting Temeraire; \
Rain, Steam and Speed
painting | John Constable, Constable | The Hay Wain
painting | Piet Mondrian, Mondrian | Broadway Boogie Woogie
painting | Andy Warhol, Warhol | Campbell's Soup Cans
opera | Wolfgang Amadeus Mozart, Mozart | The Magic Flute; Don Giovanni; The Marriage of Figaro; Così fan tutte
opera | Giuseppe Verdi, Verdi | Aida; La traviata; Rigoletto; Nabucco; Il trovatore
opera | Giacomo Puccini, Puccini | Tosca; Madama Butterfly; Gianni Schicchi
opera | Georges Bizet, Bizet | Carmen; The Pearl Fishers
opera | Richard Wagner, Wagner | Tristan und Isolde; Lohengrin; Parsifal; Tannhäuser; The Flying Dutchman
opera | Gioachino Rossini, Rossini, Gioacchino Rossini | William Tell; La Cenerentola
opera | Ludwig van Beethoven, Beethoven | Fidelio
opera | Gaetano Donizetti, Donizetti | Lucia di Lammermoor; L'elisir d'amore; Don Pasquale
opera | Vincenzo Bellini, Bellini | Norma; I puritani
opera | Richard Strauss | Der Rosenkavalier; Elektra
opera | Benjamin Britten, Britten | Peter Grimes; The Turn of the Screw
opera | Alban Berg, Berg | Lulu
opera | Modest Mussorgsky, Mussorgsky | Boris Godunov
opera | Henry Purcell, Purcell | Dido and Aeneas
music | Ludwig van Beethoven, Beethoven | Für Elise; Moonlight Sonata; Eroica Symphony
music | Johann Sebastian Bach, Bach, J. S. Bach | Brandenburg Concertos; Goldberg Variations; \
The Well-Tempered Clavier; The Art of Fugue
music | Antonio Vivaldi, Vivaldi | The Four Seasons
music | George Frideric Handel, Handel, Georg Friedrich Händel, Händel | Messiah; Water Music; \
Music for the Royal Fireworks
music | Pyotr Ilyich Tchaikovsky, Tchaikovsky, Peter Tchaikovsky | Swan Lake; The Nutcracker; 1812 Overture; \
The Sleeping Beauty
music | Igor Stravinsky, Stravinsky | The Rite of Spring; The Firebird; Petrushka
music | Maurice Ravel, Ravel | Boléro; Gaspard de la nuit
music | Claude Debussy, Debussy | Prelude to the Afternoon of a Faun
music | Gustav Holst, Holst | The Planets
music | Joseph Haydn, Haydn, Franz Joseph Haydn | The Creation; Surprise Symphony
music | Felix Mendelssohn, Mendelssohn, Felix Mendelssohn Bartholdy | Hebrides Overture; Songs Without Words
music | Franz Schubert, Schubert | Trout Quintet; Winterreise
music | Hector Berlioz, Berlioz | Symphonie fantastique
music | Modest Mussorgsky, Mussorgsky | Pictures at an Exhibition; Night on Bald Mountain
music | Nikolai Rimsky-Korsakov, Rimsky-Korsakov | Flight of the Bumblebee; Scheherazade
music | George Gershwin, Gershwin | Rhapsody in Blue; An American in Paris
music | Sergei Prokofiev, Prokofiev | Peter and the Wolf
music | Edward Elgar, Elgar, Sir Edward Elgar | Enigma Variations; Pomp and Circumstance Marches
music | Johann Strauss II, Johann Strauss, Johann Strauss the Younger, Johann Strauss Jr. | The Blue Danube
music | Edvard Grieg, Grieg | In the Hall of the Mountain King; Holberg Suite
music | Camille Saint-Saëns, Saint-Saëns | The Carnival of the Animals; Danse macabre
music | Jean Sibelius, Sibelius | Finlandia
music | Bedřich Smetana, Smetana | Má vlast
music | Aaron Copland, Copland | Appalachian Spring; Fanfare for the Common Man
music | Samuel Barber, Barber | Adagio for Strings
music | Johannes Brahms, Brahms | A German Requiem
music | Johann Pachelbel, Pachelbel | Canon in D
music | Scott Joplin, Joplin | Maple Leaf Rag; The Entertainer
"""

# Planet (or dwarf planet) | its moons with names of their own.
MOONS = """
Earth | the Moon
Mars | Phobos; Deimos
Jupiter | Io; Europa; Ganymede; Callisto; Amalthea; Himalia
Saturn | Titan; Enceladus; Rhea; Iapetus; Mimas; Tethys; Dione; Hyperion; Phoebe
Uranus | Titania; Oberon; Miranda; Ariel; Umbriel
Neptune | Triton; Nereid; Proteus
Pluto | Charon; Nix
"""

# City, other names | sights in it.
LANDMARKS = """
Paris | the Eiffel Tower; the Louvre; the Arc de Triomphe; the Sacré-Cœur basilica; the Musée d'Orsay
London | Big Ben; the British Museum; Buckingham Palace; Trafalgar Square
Rome, Roma | the Colosseum; the Trevi Fountain; the Spanish Steps
Berlin | the Brandenburg Gate; the Reichstag building; Checkpoint Charlie
Moscow, Moskva | St Basil's Cathedral; the Bolshoi Theatre; Red Square
Saint Petersburg, St Petersburg, Petersburg | the Hermitage Museum; the Mariinsky Theatre
Athens | the Parthenon; the Acropolis Museum
Barcelona | the Sagrada Família; Park Güell; the Camp Nou stadium
Madrid | the Prado Museum; the Reina Sofía Museum
Granada | the Alhambra
Florence, Firenze | the Uffizi Gallery; the Ponte Vecchio; Michelangelo's statue of David
Venice, Venezia | the Rialto Bridge; the Doge's Palace
Milan, Milano | the opera house La Scala; Leonardo's mural The Last Supper
Pisa | Italy's most famous leaning tower
Vienna, Wien | Schönbrunn Palace; the Spanish Riding School; the Belvedere palace with Klimt's The Kiss
Prague, Praha | Charles Bridge; Wenceslas Square
Amsterdam | the Rijksmuseum; the Anne Frank House; the Van Gogh Museum
Brussels, Bruxelles, Brussel | the Atomium; the statue Manneken Pis
Copenhagen, København | the statue of the Little Mermaid; Tivoli Gardens
Istanbul, Constantinople | Hagia Sophia; the Blue Mosque of Sultan Ahmed; Topkapi Palace; the Basilica Cistern
Agra | the Taj Mahal
Amritsar | the Golden Temple of the Sikhs
Beijing, Peking | the Forbidden City; Tiananmen Square; the Temple of Heaven
Sydney | the opera house with roofs like sails, opened in 1973; Bondi Beach
Dubai | the Burj Khalifa; the Burj Al Arab hotel
Kuala Lumpur | the Petronas Towers
Rio de Janeiro, Rio | the Christ the Redeemer statue; Copacabana beach; the Maracanã stadium
New York City, New York, NYC, Manhattan | the Empire State Building; Times Square; the Chrysler Building; \
Carnegie Hall
San Francisco | the Golden Gate Bridge; the former prison of Alcatraz
Seattle | the Space Needle
Chicago | the Willis Tower; Wrigley Field
Washington, Washington D.C., Washington DC | the Lincoln Memorial; the White House
St. Louis, Saint Louis | the Gateway Arch
Toronto | the CN Tower
Edinburgh | Arthur's Seat; the Royal Mile
Dresden | the Frauenkirche rebuilt until 2005; the Zwinger palace
Bilbao | the Guggenheim Museum designed by Frank Gehry
"""

# Whose god or goddess | name, other names | of what.
GODS = """
Greek god | Poseidon | the sea
Greek goddess | Aphrodite | love and beauty
Greek god | Ares | war
Greek god | Hades, Pluto, Plouton | the underworld
Greek god | Hephaestus, Hephaistos | fire and the forge
Greek god | Dionysus, Dionysos, Bacchus | wine
Greek goddess | Demeter | the harvest
Greek goddess | Artemis | the hunt
Greek god | Hypnos | sleep
Greek goddess | Nike | victory
Greek goddess | Hestia | the hearth
Roman god | Neptune | the sea
Roman goddess | Venus | love and beauty
Roman god | Mars | war
Roman god | Vulcan | fire and the forge
Roman god | Bacchus, Liber | wine
Roman goddess | Ceres | agriculture
Roman goddess | Diana | the hunt
Roman god | Janus | doors and beginnings, with two faces
Norse god | Thor | thunder
Egyptian god | Anubis | mummification, with a jackal's head
Egyptian god | Thoth, Djehuty | writing, with the head of an ibis
"""

# Year | what happened, as it follows "In which year".
YEARS = """
44 BC | was Julius Caesar assassinated
476 | was the last Western Roman emperor, Romulus Augustulus, deposed
1066 | was the Battle of Hastings fought
1215 | was Magna Carta first sealed
1415 | was the Battle of Agincourt fought
1453 | did Constantinople fall to the Ottomans
1492 | did Columbus first reach the Americas
1517 | did Martin Luther publish his Ninety-five Theses
1588 | did the Spanish Armada sail against England
1605 | was the Gunpowder Plot discovered
1666 | was the Great Fire of London
1776 | was the United States Declaration of Independence adopted
1789 | was the Bastille stormed
1793 | was King Louis XVI of France executed
1804 | was Napoleon crowned Emperor of the French
1805 | was the Battle of Trafalgar fought
1815 | was the Battle of Waterloo fought
1859 | did Charles Darwin publish On the Origin of Species
1863 | did Abraham Lincoln issue the final Emancipation Proclamation
1865 | was Abraham Lincoln shot
1869 | was the Suez Canal opened
1889 | was the Eiffel Tower opened
1896 | were the first modern Olympic Games held
1901 | were the first Nobel Prizes awarded
1903 | did the Wright brothers make their first powered flight
1906 | did a great earthquake and fire destroy much of San Francisco
1911 | did Roald Amundsen reach the South Pole
1912 | did the Titanic sink
1914 | did the First World War begin
1917 | was the October Revolution in Russia
1918 | did the First World War end
1919 | was the Treaty of Versailles signed
1922 | was the tomb of Tutankhamun discovered
1927 | did Charles Lindbergh fly alone across the Atlantic
1928 | did Alexander Fleming discover penicillin
1929 | did Wall Street crash, at the start of the Great Depression
1930 | was the first football World Cup held
1939 | did Germany invade Poland
1941 | did Japan attack Pearl Harbor
1944 | did the Allies land in Normandy on D-Day
1947 | did India become independent
1948 | was the State of Israel declared
1949 | was the People's Republic of China proclaimed
1953 | was Mount Everest first climbed to its summit
1957 | was Sputnik 1 launched
1961 | did Yuri Gagarin fly into space
1962 | was the Cuban Missile Crisis
1963 | was John F. Kennedy assassinated
1968 | was Martin Luther King Jr. assassinated
1969 | did people first land on the Moon
1974 | did Richard Nixon resign as President
1986 | was the Chernobyl disaster
1989 | did the Berlin Wall fall
1990 | was Nelson Mandela released from prison
1991 | was the Soviet Union dissolved
1994 | did Nelson Mandela become President of South Africa
1997 | was Hong Kong handed over to China
2001 | were the twin towers of the World Trade Center destroyed
2010 | was the Burj Khalifa opened
2016 | did the United Kingdom vote to leave the European Union
"""

# Relation | subject | question | answers.
FACTS = """
discoverer | penicillin | Who discovered penicillin? | Alexander Fleming; Fleming
discoverer | X-rays | Who discovered X-rays? | Wilhelm Röntgen; Röntgen; Roentgen; Wilhelm Conrad Röntgen; \
Wilhelm Roentgen
discoverer | radioactivity | Who discovered the radioactivity of uranium in 1896? | Henri Becquerel; Becquerel
discoverer | radium | Who discovered radium? | Marie Curie; Curie; Pierre Curie; Marie and Pierre Curie
discoverer | the electron | Who discovered the electron? | J. J. Thomson; Thomson; Joseph John Thomson
discoverer | the neutron | Who discovered the neutron? | James Chadwick; Chadwick
discoverer | the positron | Who discovered the positron in 1932? | Carl David Anderson; Carl Anderson; Anderson
discoverer | the atomic nucleus | Who discovered the atomic nucleus? | Ernest Rutherford; Rutherford; Lord Rutherford
discoverer | deuterium | Who discovered deuterium? | Harold Urey; Urey
discoverer | Uranus | Who discovered the planet Uranus? | William Herschel; Herschel
discoverer | Pluto | Who discovered Pluto? | Clyde Tombaugh; Tombaugh
discoverer | Titan | Who discovered Saturn's moon Titan? | Christiaan Huygens; Huygens
discoverer | Ceres | Who discovered Ceres, the first known asteroid? | Giuseppe Piazzi; Piazzi
discoverer | blood circulation | Which English physician described the circulation of the blood in 1628? | \
William Harvey; Harvey
discoverer | the tuberculosis bacterium | Who discovered the bacterium that causes tuberculosis? | Robert Koch; Koch
discoverer | blood groups | Who discovered the ABO blood groups? | Karl Landsteiner; Landsteiner
discoverer | planetary motion | Who found the three laws of planetary motion? | Johannes Kepler; Kepler
discoverer | gravitation | Who published the law of universal gravitation? | Isaac Newton; Newton; Sir Isaac Newton
discoverer | relativity | Who published the general theory of relativity? | Albert Einstein; Einstein
discoverer | the uncertainty principle | Who formulated the uncertainty principle of quantum mechanics? | \
Werner Heisenberg; Heisenberg
discoverer | the exclusion principle | Who formulated the exclusion principle of quantum mechanics? | \
Wolfgang Pauli; Pauli
discoverer | the quantum of action | Who introduced the quantum of action in 1900? | Max Planck; Planck
discoverer | the wave equation of quantum mechanics | \
Who published the wave equation of quantum mechanics in 1926? | \
Erwin Schrödinger; Schrödinger; Schroedinger
discoverer | the laws of inheritance | Which monk found the laws of inheritance in pea plants? | \
Gregor Mendel; Mendel; Gregor Johann Mendel
discoverer | the incompleteness theorems | Who proved the incompleteness theorems of 1931? | Kurt Gödel; Gödel; Goedel
discoverer | Fermat's Last Theorem | Who proved Fermat's Last Theorem? | Andrew Wiles; Wiles; Sir Andrew Wiles
discoverer | Troy | Which German businessman dug for Troy at Hisarlik in the 1870s? | Heinrich Schliemann; Schliemann
discoverer | the tomb of Tutankhamun | Which archaeologist discovered the tomb of Tutankhamun? | Howard Carter; Carter
discoverer | the sea route to India | Which Portuguese explorer first sailed from Europe to India around Africa? | \
Vasco da Gama; da Gama
inventor | dynamite | Who invented dynamite? | Alfred Nobel; Nobel
inventor | the World Wide Web | Who invented the World Wide Web? | Tim Berners-Lee; Berners-Lee; Sir Tim Berners-Lee
inventor | braille | Who invented the writing system for blind people that is read with the fingertips? | \
Louis Braille; Braille
inventor | the saxophone | Who invented the saxophone? | Adolphe Sax; Sax; Antoine-Joseph Sax
inventor | the Rubik's Cube | Who invented the Rubik's Cube? | Ernő Rubik; Rubik; Erno Rubik
inventor | the lightning rod | Which American statesman invented the lightning rod? | Benjamin Franklin; Franklin
inventor | the voltaic pile | Who invented the first electric battery, the pile? | Alessandro Volta; Volta
inventor | the stethoscope | Who invented the stethoscope? | René Laennec; Laennec; Laënnec; René Laënnec
inventor | the smallpox vaccine | Who developed the smallpox vaccine in 1796? | Edward Jenner; Jenner
inventor | the polio vaccine | Who developed the first inactivated polio vaccine? | Jonas Salk; Salk
inventor | Esperanto | Who created the language Esperanto? | L. L. Zamenhof; Zamenhof; Ludwik Zamenhof; \
Ludwik Lejzer Zamenhof; Ludwig Zamenhof
inventor | basketball | Who invented basketball? | James Naismith; Naismith
inventor | the AK-47 | Who designed the AK-47 rifle? | Mikhail Kalashnikov; Kalashnikov
inventor | Linux | Who wrote the first Linux kernel? | Linus Torvalds; Torvalds
inventor | Python | Who created the programming language Python? | Guido van Rossum; van Rossum
inventor | C | Who created the programming language C? | Dennis Ritchie; Ritchie
inventor | C++ | Who created the programming language C++? | Bjarne Stroustrup; Stroustrup
inventor | JavaScript | Who created the programming language JavaScript? | Brendan Eich; Eich
inventor | the polymerase chain reaction | Who invented the polymerase chain reaction? | Kary Mullis; Mullis
inventor | the periodic table | Which Russian chemist published the periodic table in 1869? | \
Dmitri Mendeleev; Mendeleev; Mendeleyev; Dmitri Mendeleyev; Dmitry Mendeleev
inventor | rabies vaccine | Who developed the first vaccine against rabies, in 1885? | Louis Pasteur; Pasteur; \
Émile Roux
inventor | the mercury thermometer | \
Which physicist made the first mercury thermometer and gave his name to its scale? | \
Daniel Gabriel Fahrenheit; Fahrenheit; Daniel Fahrenheit
inventor | the Diesel engine | Who invented the engine that ignites its fuel by compression alone? | \
Rudolf Diesel; Diesel
inventor | the cotton gin | Who patented the cotton gin in 1794? | Eli Whitney; Whitney
inventor | vulcanised rubber | Which American patented the vulcanisation of rubber in 1844? | Charles Goodyear; \
Goodyear
inventor | Velcro | Who invented Velcro? | George de Mestral; de Mestral
inventor | Tetris | Who created the video game Tetris? | Alexey Pajitnov; Pajitnov; Alexei Pajitnov
inventor | the decimal library classification | \
Which librarian devised the decimal classification of books in 1876? | \
Melvil Dewey; Dewey
planet | largest planet | Which is the largest planet of the Solar System? | Jupiter
planet | smallest planet | Which is the smallest planet of the Solar System? | Mercury
planet | closest planet to the Sun | Which planet is closest to the Sun? | Mercury
planet | farthest planet from the Sun | Which planet is farthest from the Sun? | Neptune
planet | red planet | Which planet is known as the Red Planet? | Mars
planet | hottest planet | Which planet has the hottest surface? | Venus
planet | planet on its side | Which planet rotates on its side, its axis tilted by about 98 degrees? | Uranus
planet | Great Red Spot | On which planet is the Great Red Spot? | Jupiter
planet | Olympus Mons | On which planet is the volcano Olympus Mons? | Mars
planet | Valles Marineris | On which planet is the canyon Valles Marineris? | Mars
planet | Cassini Division | In the rings of which planet is the Cassini Division? | Saturn
planet | second planet | Which is the second planet from the Sun? | Venus
planet | third planet | Which is the third planet from the Sun? | Earth; the Earth
planet | fourth planet | Which is the fourth planet from the Sun? | Mars
planet | fifth planet | Which is the fifth planet from the Sun? | Jupiter
planet | sixth planet | Which is the sixth planet from the Sun? | Saturn
planet | seventh planet | Which is the seventh planet from the Sun? | Uranus
planet | Curiosity | On which planet did the rover Curiosity land? | Mars
planet | Le Verrier's planet | Which planet was found in 1846 where Le Verrier had calculated it? | Neptune
planet | morning star | Which planet is known as the morning star and the evening star? | Venus
geography | highest mountain | What is the highest mountain above sea level on Earth? | Mount Everest; Everest; \
Sagarmatha; Chomolungma; Qomolangma
geography | highest mountain of Africa | What is the highest mountain of Africa? | Mount Kilimanjaro; Kilimanjaro; \
Kibo
geography | highest mountain of South America | What is the highest mountain of South America? | Aconcagua; \
Mount Aconcagua
geography | highest mountain of North America | What is the highest mountain of North America? | Denali; \
Mount McKinley; McKinley
geography | highest mountain of Japan | What is the highest mountain of Japan? | Mount Fuji; Fuji; Fujiyama; \
Fuji-san; Fujisan
geography | highest mountain of the Alps | What is the highest mountain of the Alps? | Mont Blanc; Monte Bianco
geography | smallest ocean | What is the smallest ocean on Earth? | Arctic Ocean; Arctic
geography | largest island | What is the largest island on Earth that is not a continent? | Greenland
geography | largest country | What is the largest country on Earth by area? | Russia; Russian Federation
geography | smallest country | What is the smallest country on Earth by area? | Vatican City; Vatican; Holy See
geography | largest hot desert | What is the largest hot desert on Earth? | Sahara; Sahara Desert
geography | deepest lake | What is the deepest lake on Earth? | Lake Baikal; Baikal
geography | highest waterfall | What is the highest uninterrupted waterfall on Earth? | Angel Falls; Salto Ángel; \
Kerepakupai Merú; Kerepakupai Vená
geography | deepest trench | In which ocean trench is the deepest point on Earth? | Mariana Trench; \
Marianas Trench; Mariana
geography | river through Paris | Which river flows through Paris? | Seine; River Seine
geography | river through London | Which river flows through London? | Thames; River Thames
geography | river through Cairo | Which river flows through Cairo? | Nile; River Nile
geography | river through Budapest | Which river flows through Budapest? | Danube; Duna; River Danube
geography | river through Baghdad | Which river flows through Baghdad? | Tigris; River Tigris
geography | river through Florence | Which river flows through Florence? | Arno; River Arno
geography | river through Rome | Which river flows through Rome? | Tiber; Tevere; River Tiber
geography | river through Cologne | Which river flows through Cologne? | Rhine; Rhein; River Rhine
geography | river through Warsaw | Which river flows through Warsaw? | Vistula; Wisła; River Vistula
geography | river through Prague | Which river flows through Prague? | Vltava; Moldau
geography | river at Lisbon | On which river does Lisbon lie? | Tagus; Tejo; River Tagus
geography | river through New Orleans | Which river flows through New Orleans? | Mississippi; Mississippi River
geography | strait of Gibraltar | Which strait separates Spain from Morocco? | Strait of Gibraltar; Gibraltar
geography | Suez Canal | Which canal links the Mediterranean to the Red Sea? | Suez Canal; Suez
geography | Panama Canal | Which canal links the Atlantic to the Pacific? | Panama Canal; Panama
science | formula of water | What is the chemical formula of water? | H2O; H₂O
science | carbon dioxide | What is the chemical formula of carbon dioxide? | CO2; CO₂
science | table salt | What is the chemical name of table salt? | sodium chloride; NaCl
science | unit of force | What is the SI unit of force? | newton; newtons
science | unit of power | What is the SI unit of power? | watt; watts
science | unit of resistance | What is the SI unit of electrical resistance? | ohm; ohms
science | unit of frequency | What is the SI unit of frequency? | hertz; Hz
science | unit of pressure | What is the SI unit of pressure? | pascal; pascals
science | unit of energy | What is the SI unit of energy? | joule; joules
science | unit of temperature | What is the SI base unit of temperature? | kelvin; kelvins
science | unit of electric current | What is the SI base unit of electric current? | ampere; amperes; amp; amps
science | unit of charge | What is the SI unit of electric charge? | coulomb; coulombs
science | unit of capacitance | What is the SI unit of capacitance? | farad; farads
science | photosynthesis pigment | Which pigment makes leaves green? | chlorophyll; chlorophyl
science | largest organ | What is the largest organ of the human body? | skin; the skin
science | longest bone | What is the longest bone of the human body? | femur; thigh bone; thighbone
science | insulin gland | Which organ of the human body makes insulin? | pancreas; the pancreas
science | gas plants take in | Which gas do plants take from the air for photosynthesis? | carbon dioxide; CO2; CO₂
science | most of the air | Which gas makes up most of the Earth's atmosphere? | nitrogen; N2
science | lightest element | Which chemical element is the lightest? | hydrogen
science | scurvy vitamin | Lack of which vitamin causes scurvy? | vitamin C; ascorbic acid
science | diamond | Of which chemical element is diamond made? | carbon
science | largest animal | What is the largest animal alive? | blue whale; the blue whale
science | tallest animal | What is the tallest animal alive? | giraffe; the giraffe
science | fastest land animal | What is the fastest land animal over short distances? | cheetah; the cheetah
"""
