# mypy: ignore-errors
"""Run by `./dev bench text --peers` in the peers' own Python: texts on stdin, each peer's spans and CPU time on stdout.

Neither loads a model, since none is in its package: scrubadub with its default detectors, Presidio with its pattern
recognisers over a blank English spaCy. With models both would find more names; that is another comparison.
"""

import json
import sys
import time


def _scrubadub():
    import scrubadub

    scrubber = scrubadub.Scrubber()
    return lambda text: [(filth.beg, filth.end) for filth in scrubber.iter_filth(text)]


def _presidio():
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        def __init__(self):
            super().__init__(ner_model_configuration=NerModelConfiguration())
            self.nlp = {"en": spacy.blank("en")}

    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"])
    engine = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])
    return lambda text: [(found.start, found.end) for found in engine.analyze(text, language="en")]


def main():
    texts = json.load(sys.stdin)
    answer = {}
    for name, made in (("scrubadub 2.0.1", _scrubadub), ("Presidio 2.2.359, patterns only", _presidio)):
        peer = made()
        peer(texts[0])
        started = time.process_time()
        spans = [peer(text) for text in texts]
        answer[name] = {"seconds": time.process_time() - started, "spans": spans}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
