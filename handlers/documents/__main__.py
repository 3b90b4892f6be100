"""./dev python -m handlers.documents: write the pages that changed, and say which they were."""

from pathlib import Path

from handlers.documents import refresh

for page in refresh(Path(__file__).resolve().parents[2]):
    print(page)
