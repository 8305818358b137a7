"""Places that scenes of films are set in, as an image-text network is asked for them."""

_PROMPTS = ("a photo of {}", "a movie still of {}")
_VOWELS = tuple("aeiou")
_WITHOUT_ARTICLE = frozenset({"outer space", "ruins"})

PLACES: tuple[str, ...] = tuple(
    name.strip()
    for line in """
    airplane cabin, airport terminal, alley, amusement park, aquarium, arctic landscape, art gallery, art studio
    attic, auditorium, backyard, bakery, balcony, ballroom, bank, bar, barn, basement, basketball court, bathroom
    battlefield, beach, bedroom, boat deck, bookstore, bowling alley, boxing ring, bridge, bus, cafe, campsite
    canal, canyon, car interior, car park, casino, castle, cathedral, cave, cemetery, church, cinema, city skyline
    city square, classroom, cliff, closet, coast, college campus, concert stage, conference room, construction site
    control room, corn field, corridor, cottage, country road, courthouse, courtroom, courtyard, crime scene
    dance floor, desert, dining room, dock, dungeon, elevator, factory, farm, fast food restaurant, fire station
    flower garden, football stadium, forest, forest path, garage, gas station, glacier, greenhouse, gym, hair salon
    harbor, highway, hospital room, hotel lobby, hotel room, house, ice rink, igloo, industrial area, island
    jail cell, jungle, junkyard, kitchen, laboratory, lake, laundromat, library, lighthouse, living room
    locker room, mansion, market, meadow, medieval village, military base, mine, monastery, mosque, motel, mountain
    mountain path, museum, night street, nightclub, nursery, ocean, office, office building, opera house
    operating room, orchard, outer space, palace, park, phone booth, playground, playroom, police station, pond
    prairie, pyramid, racetrack, railway station, ranch, restaurant, rice field, river, rooftop, ruins, runway
    sand dune, savanna, school bus, school yard, server room, ship, shipwreck, shop, shopping mall, skate park
    ski slope, sky, skyscraper, slum, snow field, spaceship, stable, staircase, street, submarine, suburb
    subway station, supermarket, swamp, swimming pool, television studio, temple, tent, theater stage, throne room
    toy store, train interior, train tracks, trench, tropical beach, tunnel, underwater reef, valley, vineyard
    volcano, waiting room, warehouse, waterfall, wedding hall, western town, wind farm, workshop, zoo
    """.strip().splitlines()
    for name in line.split(",")
)


def prompts(place: str) -> tuple[str, ...]:
    """Sentences about a place; small letters and no punctuation, as SigLIP's own cleaning would leave them."""
    article = "" if place in _WITHOUT_ARTICLE else "an " if place.startswith(_VOWELS) else "a "
    return tuple(prompt.format(article + place) for prompt in _PROMPTS)
