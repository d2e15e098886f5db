"""Dossiers of enterprises and introductions, read from incentives' own database (see `facts.py` for their shape)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pymongo.collection import Collection

from services.incentives.eligibility.facts import COUNTING_INTRODUCTIONS
from shared.mongo import Document
from shared.records.image import from_store
from shared.records.workflow import Image

Dossier = dict[str, Any]


class Dossiers:
    """What is known of subjects. One query for any number of enterprises, two for any number of persons.

    `collection` gives a collection of incentives' database by name: `database.get_collection`, or in a rule
    `context.work.beside`.
    """

    def __init__(self, collection: Callable[[str], Collection[Document]]) -> None:
        self.facts, self.introductions = collection("registry_facts"), collection("introductions")

    def of_enterprise(self, uscc: str) -> Dossier:
        """The dossier of an enterprise; without facts when nothing is known of it."""
        return self.of_enterprises([uscc])[uscc]

    def of_enterprises(self, codes: Iterable[str]) -> dict[str, Dossier]:
        """The dossiers of enterprises by their codes."""
        facts: dict[str, list[Document]] = {code: [] for code in codes}
        for fact in self.facts.find({"key": {"$in": list(facts)}}):
            facts[fact["key"]].append(fact)
        return {code: _dossier(code, found) for code, found in facts.items()}

    def of_introduction(self, introduction: Image) -> Dossier:
        """The dossier of an introduction, with its employer's facts."""
        employer = self.of_enterprise(str(introduction.get("employer_uscc") or ""))
        return _of(introduction, self.of_person(introduction.get("person_key")), employer)

    def of_person(self, person_key: str | None) -> list[Image]:
        """All introductions of a person."""
        return [] if person_key is None else self._introductions([person_key]).get(person_key, [])

    def of_people(self, keys: Iterable[str]) -> dict[str, Dossier]:
        """The dossiers of persons by their keys: by the introduction that counts; without one, by the latest."""
        people = self._introductions(keys)
        chosen = {key: _chosen(theirs) for key, theirs in people.items()}
        employers = self.of_enterprises({str(each.get("employer_uscc") or "") for each in chosen.values()})
        return {key: _of(each, people[key], employers[str(each.get("employer_uscc") or "")]) for key, each in chosen.items()}

    def _introductions(self, keys: Iterable[str]) -> dict[str, list[Image]]:
        people: dict[str, list[Image]] = {}
        for found in self.introductions.find({"person_key": {"$in": list(keys)}}).sort("_id", 1):
            people.setdefault(found["person_key"], []).append(from_store(found))
        return people

    def all_enterprises(self) -> Iterator[Dossier]:
        """Every enterprise of the district, by its code."""
        held: list[Document] = []
        for fact in self.facts.find().sort([("key", 1), ("kind", 1)]):
            if held and fact["key"] != held[0]["key"]:
                yield _dossier(held[0]["key"], held)
                held = []
            held.append(fact)
        if held:
            yield _dossier(held[0]["key"], held)

    def all_introductions(self) -> Iterator[Dossier]:
        """Every counting introduction, employer by employer."""
        employer: Dossier = {"uscc": None}
        counting = {"state": {"$in": list(COUNTING_INTRODUCTIONS)}}
        by_start: list[Document] = [{"$match": counting}, {"$project": {"person_key": 1, "hired_on": 1}}, {"$sort": {"hired_on": 1, "_id": 1}}]
        group = {"$group": {"_id": "$person_key", "first": {"$first": "$_id"}}}
        first = {each["_id"]: each["first"] for each in self.introductions.aggregate([*by_start, group], allowDiskUse=True)}
        for found in self.introductions.find(counting).sort([("employer_uscc", 1), ("_id", 1)]):
            image = from_store(found)
            if image.get("employer_uscc") != employer["uscc"]:
                employer = self.of_enterprise(str(image.get("employer_uscc")))
            yield employer | {"introduction": image, "first_introduction": first.get(image.get("person_key"))}

    def count(self, beneficiary: str) -> int:
        """How many subjects a policy for `person` or `enterprise` is tried on."""
        if beneficiary == "person":
            return self.introductions.count_documents({"state": {"$in": list(COUNTING_INTRODUCTIONS)}})
        return self.facts.count_documents({"kind": "enterprises"})


def first_among(introductions: Iterable[Image]) -> str | None:
    """The introduction by which a person counts: the earliest registered one, the lower id on a tie."""
    counting = [each for each in introductions if each["state"] in COUNTING_INTRODUCTIONS]
    return str(min(counting, key=lambda each: (each["hired_on"], each["id"]))["id"]) if counting else None


def _chosen(introductions: list[Image]) -> Image:
    first = first_among(introductions)
    return next((each for each in introductions if each["id"] == first), introductions[-1])


def _of(introduction: Image, theirs: Iterable[Image], employer: Dossier) -> Dossier:
    return employer | {"introduction": introduction, "first_introduction": first_among(theirs)}


def _dossier(uscc: str, facts: list[Document]) -> Dossier:
    records: dict[str, list[Image]] = {}
    enterprise: Image | None = None
    for fact in facts:
        if fact["kind"] == "enterprises":
            enterprise = fact["data"] if fact["data"].get("id") == uscc else enterprise  # not one that merged into it
        else:
            records.setdefault(fact["kind"], []).append(fact["data"])
    return {"uscc": uscc, "enterprise": enterprise, "records": records}
