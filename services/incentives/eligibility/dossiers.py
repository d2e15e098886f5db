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
    """What is known of subjects. One query for an enterprise, two for an introduction.

    `collection` gives a collection of incentives' database by name: `database.get_collection`, or in a rule
    `context.work.beside`.
    """

    def __init__(self, collection: Callable[[str], Collection[Document]]) -> None:
        self.facts, self.introductions = collection("registry_facts"), collection("introductions")

    def of_enterprise(self, uscc: str) -> Dossier:
        """The dossier of an enterprise; without facts when nothing is known of it."""
        return _dossier(uscc, list(self.facts.find({"key": uscc})))

    def of_introduction(self, introduction: Image, others: Iterable[Image] | None = None) -> Dossier:
        """The dossier of an introduction, with its employer's facts; `others` are the person's, where they are at hand."""
        employer = self.of_enterprise(str(introduction.get("employer_uscc") or ""))
        first = first_among(self.of_person(introduction.get("person_key")) if others is None else others)
        return employer | {"introduction": introduction, "first_introduction": first}

    def of_person(self, person_key: str | None) -> list[Image]:
        """All introductions of a person."""
        if person_key is None:
            return []
        return [from_store(found) for found in self.introductions.find({"person_key": person_key}).sort("_id", 1)]

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


def _dossier(uscc: str, facts: list[Document]) -> Dossier:
    records: dict[str, list[Image]] = {}
    enterprise: Image | None = None
    for fact in facts:
        if fact["kind"] == "enterprises":
            enterprise = fact["data"] if fact["data"].get("id") == uscc else enterprise  # not one that merged into it
        else:
            records.setdefault(fact["kind"], []).append(fact["data"])
    return {"uscc": uscc, "enterprise": enterprise, "records": records}
