"""What goes in and out over HTTP, as pydantic models: the schema that ``/openapi.json`` shows."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from twofold.serve.settings import MOST_SAMPLES

LARGEST_SEED = 2**53
"""Seeds beyond this are not exact in JavaScript."""
MOST_LAYERS = 64

EXAMPLE_IMAGE = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAHUlEQVR42mNkYGgQYGAgHrEwCDCQBEY1jGoYOhoAHgoCnoxpJwYA"
    "AAAASUVORK5CYII="
)
"""A picture of 16x16 pixels, a PNG file in base64."""
EXAMPLE_MASK = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQAQAAAAA3iMLMAAAAFElEQVR42mNgQAXsD5gYGJARGgAAHSAA8hMsgPUAAAAASUVORK5CYII="
)
"""A mask for it with a hole of 6x6 pixels."""

PictureText = Annotated[
    str,
    Field(min_length=1, description="An image FILE in base64, with or without data:...;base64, in front."),
]
FillFormat = Literal["png", "webp", "jpeg"]


class _Asked(BaseModel):
    """What a client sends: nothing unknown, numbers that are numbers."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Told(BaseModel):
    """What the server answers."""

    model_config = ConfigDict(extra="forbid")


class SamplingRequest(_Asked):
    """How a model that samples does so; what is left out stays the model's own."""

    temperature: Annotated[float, Field(strict=True, ge=0, le=10)] | None = Field(
        None, description="Above 1 more varied, below 1 more likely answers; 0 takes the likeliest."
    )
    top_k: Annotated[int, Field(strict=True, ge=0, le=512)] | None = Field(
        None, description="Top-k sampling: among this many of the likeliest codes; 0: among all."
    )
    top_p: Annotated[float, Field(strict=True, gt=0, le=1)] | None = Field(
        None,
        description="Top-p sampling: the likeliest codes up to this probability in total; 1: all.",
    )

    def given(self) -> dict[str, float]:
        """The options that were sent."""
        return self.model_dump(exclude_none=True)


class FillRequest(_Asked):
    """Fill the white part of a mask in a picture."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"image": EXAMPLE_IMAGE, "mask": EXAMPLE_MASK}]}
    )

    image: PictureText
    mask: PictureText = Field(description="The same for the mask, of the image's size: white = hole.")
    model: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="One of the names that GET /api/v1/models lists; null: the default."
    )
    samples: Annotated[int, Field(strict=True, ge=1, le=MOST_SAMPLES)] = Field(
        1, description="How many answers; sample 3 is the same picture however many are asked for."
    )
    seed: Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)] = Field(
        0, description="The same seed gives the same pictures."
    )
    options: SamplingRequest | None = None
    detail: Literal["auto", "none", "always"] = Field(
        "auto", description="Where answers of networks get fine detail of their surroundings."
    )
    region: Literal["whole", "hole"] = Field(
        "whole", description="Answer with the whole picture, or with the bounding box of the hole only."
    )
    format: FillFormat = Field(
        "png", description="Of the answers' files; png and webp are lossless, 16 bits need png."
    )
    structures: Annotated[bool, Field(strict=True)] = Field(
        False, description="Also answer with the model's own view of structure and texture."
    )
    stream: Annotated[bool, Field(strict=True)] = Field(
        False, description="Answer with server-sent events, each sample as soon as it is known."
    )
    deadline: Annotated[float, Field(strict=True, gt=0, le=86400)] | None = Field(
        None, description="Seconds after which the work is given up; the server's own limit holds as well."
    )


class SampleAnswer(_Told):
    """One answer to one hole; the data of the event ``sample``."""

    index: int = Field(description="Which answer this is, from 0.")
    image: str = Field(description="The file in base64.")
    media_type: str
    left: int = Field(description="Where the file's picture lies in the whole one, in pixels.")
    top: int
    width: int
    height: int
    structure: str | None = Field(None, description="A PNG file in base64, if asked for and there is one.")
    texture: str | None = None
    score: float | None = Field(
        None, description="The discriminator's score: higher is better; comparable for one hole only."
    )
    log_likelihood: float | None = None
    duplicate_of: int | None = Field(None, description="An earlier answer that this hardly differs from.")
    attempt: int = 0


class DoneAnswer(_Told):
    """The data of the event ``done``."""

    id: str
    model: str
    seed: int
    options: dict[str, Any]
    ranking: list[int] = Field(description="Indices of the samples, best first.")
    seconds: float
    width: int
    height: int


class FillAnswer(DoneAnswer):
    """All answers at once."""

    samples: list[SampleAnswer]


class CancelAnswer(_Told):
    """What became of a job that was cancelled."""

    id: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]


class JobAnswer(CancelAnswer):
    """How a job stands."""

    position: int = Field(description="How many others are worked on before it; 0 once it runs.")
    done: int = Field(description="Steps done.")
    total: int = Field(description="Steps expected; may grow.")


class OptionAnswer(_Told):
    """An option of a model that samples."""

    default: float
    minimum: float
    maximum: float


class ModelAnswer(_Told):
    """A model that can be asked for."""

    name: str
    diverse: bool = Field(description="Whether another seed gives another answer.")
    default: bool
    state: Literal["ready", "loading", "idle", "failed"]
    options: dict[str, OptionAnswer]
    native_size: int | None = Field(description="Side in pixels of the squares that it was made for.")
    note: str


class LimitsAnswer(_Told):
    """What the server takes."""

    max_megapixels: float
    max_body: int
    max_samples: int
    formats: list[str] = Field(description="Kinds of image files that are read.")
    version: str


class LayerRequest(_Asked):
    """A part of an answer, to be laid over the picture."""

    image: PictureText = Field(description="A sample's file as it was received, or a part of it.")
    left: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = 0
    top: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = 0
    mask: PictureText | None = Field(
        None, description="Grey, of the layer's size: white takes the layer, black does not, grey blends."
    )


class ComposeRequest(_Asked):
    """The final picture: the original file, the hole, and what was chosen for it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"image": EXAMPLE_IMAGE, "mask": EXAMPLE_MASK, "layers": [{"image": EXAMPLE_IMAGE}]}]
        }
    )

    image: PictureText = Field(description="The original file.")
    mask: PictureText = Field(description="The whole hole, of the image's size: white = hole.")
    layers: Annotated[list[LayerRequest], Field(max_length=MOST_LAYERS)] = Field(
        description="Laid over one another in order, inside the hole only."
    )
    format: Literal["same", "png", "webp", "jpeg", "tiff"] = Field(
        "same", description="Of the file that comes back; same: as the original's."
    )
    quality: Annotated[int, Field(strict=True, ge=1, le=100)] = Field(95, description="Of JPEG and AVIF.")


class ErrorAnswer(_Told):
    """Every error of the server; the data of the event ``error`` has its ``status`` as well."""

    code: str = Field(description="A short word for programs, such as bad_input, busy or deadline.")
    detail: str = Field(description="One sentence: what was seen, what was needed, the way out.")
