"""The pictures of a finished run, drawn and written one by one."""


def draw(out, kind, model, X_test, y_test, history, image):
    """Write the pictures; return their paths, and by its name the error of each that could not be drawn.

    Parameters
    ----------
    image : (h, w) of a row of X, or None: a square if it is one
    """
    files, failed = [], {}
    try:
        from .. import (
            plots,  # matplotlib takes longer to import than a small model to train
        )

        pictures = kind.pictures(plots, model, X_test, y_test, history, image or plots.image_shape(X_test.shape[1]))
    except Exception as error:  # noqa: BLE001  whatever it is, the run stands; matplotlib may not even load
        return files, {"the pictures": error}
    for name, (picture, args, options) in pictures.items():
        file = out / f"{name}.png"
        try:
            plots.save(file, picture, *args, **{"size": (8, 5)} | options)
            files.append(file)
        except Exception as error:  # noqa: BLE001  the other pictures can still be drawn
            failed[file.name] = error
    return files, failed
