"""The routes of IOPaint that its scripts and front ends need: one request in, one file out."""

import base64
import secrets
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from twofold.serve.api.services import InPieces, services_of
from twofold.serve.api.v1 import BODY_ERRORS, body_of, errors, whole_answer
from twofold.serve.errors import ApiError
from twofold.serve.jobs.fill import FillTask, decode_task
from twofold.serve.schema import (
    EXAMPLE_IMAGE,
    EXAMPLE_MASK,
    LARGEST_SEED,
    FillRequest,
    PictureText,
)

router = APIRouter(prefix="/api/v1", tags=["IOPaint"])

ANY_SEED = -1
"""Asks for a seed that we choose."""


class InpaintRequest(BaseModel):
    """What IOPaint's clients send; its many other fields are taken and change nothing."""

    model_config = ConfigDict(
        extra="ignore", json_schema_extra={"examples": [{"image": EXAMPLE_IMAGE, "mask": EXAMPLE_MASK}]}
    )

    image: PictureText
    mask: PictureText = Field(description="The same for the mask, of the image's size: white = hole.")
    sd_seed: Annotated[int, Field(ge=ANY_SEED, le=LARGEST_SEED)] = Field(
        42, description="The same seed gives the same picture; -1: any."
    )


class ModelName(BaseModel):
    """Which model ``/inpaint`` uses from now on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "medfe-small"}]})

    name: Annotated[str, Field(max_length=200)]


@router.post(
    "/inpaint",
    responses={
        **errors(*BODY_ERRORS, 409, 504),
        200: {
            "content": {
                f"image/{kind}": {"schema": {"type": "string", "format": "binary"}}
                for kind in ("png", "jpeg", "webp")
            },
            "headers": {"X-Seed": {"schema": {"type": "string"}}},
            "description": "The filled picture, in the format of the one that was sent.",
        },
    },
    response_class=Response,
    openapi_extra=body_of("InpaintRequest"),
)
async def inpaint(request: Request) -> Response:
    """Fill the hole once and answer with the file itself; the seed is in the header ``X-Seed``."""
    services = services_of(request)
    services.check_room()

    def decode(asked: InpaintRequest) -> FillTask:
        seed = secrets.randbelow(2**31) if asked.sd_seed == ANY_SEED else asked.sd_seed
        fill = {"image": asked.image, "mask": asked.mask, "model": services.chosen_model, "seed": seed}
        request = FillRequest.model_validate(fill)
        return decode_task(request, services.settings, services.pool, same_format=True)

    task = await services.read(request, InpaintRequest, decode)
    job = services.queue.submit(task)
    del task  # its pixels are the queue's to hold
    answer = await whole_answer(request, job)
    (sample,) = answer["samples"]
    content = await services.in_thread(lambda: base64.b64decode(sample["image"]))
    return InPieces(content, media_type=sample["media_type"], headers={"X-Seed": str(answer["seed"])})


@router.get("/server-config", responses=errors())
async def server_config(request: Request) -> dict[str, Any]:
    """What IOPaint's front end asks first: which models there are, and that there are no plugins."""
    return {
        "plugins": [],
        "modelInfos": [_info(name) for name in services_of(request).pool.names],
        "removeBGModel": "",
        "removeBGModels": [],
        "realesrganModel": "",
        "realesrganModels": [],
        "interactiveSegModel": "",
        "interactiveSegModels": [],
        "enableFileManager": False,
        "enableAutoSaving": False,
        "enableControlnet": False,
        "controlnetMethod": None,
        "disableModelSwitch": False,
        "isDesktop": False,
        "samplers": [],
    }


@router.get("/model", responses=errors())
async def current_model(request: Request) -> dict[str, Any]:
    """The model that ``/inpaint`` uses."""
    return _info(services_of(request).chosen_model)


@router.post("/model", responses=errors(404, 408, 413, 415, 422, 429), openapi_extra=body_of("ModelName"))
async def switch_model(request: Request) -> Response:
    """Choose the model that ``/inpaint`` uses, for all clients."""
    services = services_of(request)
    name = (await services.read(request, ModelName, lambda asked: asked)).name
    names = services.pool.names
    if name not in names:
        raise ApiError(404, "not_found", f"there is no model {name!r} here; choose from {', '.join(names)}")
    services.chosen_model = name
    return JSONResponse(_info(name))


def _info(name: str) -> dict[str, Any]:
    """A model as IOPaint describes one: it erases, and knows nothing of prompts."""
    abilities = (
        "need_prompt",
        "support_strength",
        "support_outpainting",
        "support_lcm_lora",
        "support_controlnet",
        "support_brushnet",
        "support_freeu",
        "support_powerpaint_v2",
        "is_single_file_diffusers",
    )
    return {
        "name": name,
        "path": name,
        "model_type": "inpaint",
        "controlnets": [],
        "brushnets": [],
        **dict.fromkeys(abilities, False),
    }
